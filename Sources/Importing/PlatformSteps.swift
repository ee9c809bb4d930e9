// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import SystemPackage
internal import Trust

/// What comes after an appliance's ISO image is here, for each platform that the vendor names: bare metal, VMware vSphere, MAAS
/// (reference/palette.md, sections 1.3 and 10; the vendor's pages on booting the ISO and on what hosts need).
package struct PlatformSteps: Sendable {
    private let image: FilePath
    private let device: FilePath?

    /// `image`: the ISO file, or with `device` what was written to it.
    package init(image: FilePath, device: FilePath? = nil) { (self.image, self.device) = (image, device) }

    private struct Platform {
        let name: String
        let title: String
        let steps: [String]
    }

    private var platforms: [Platform] {
        [
            Platform(name: "bareMetal", title: "bare metal", steps: stick + [virtualMedia]),
            Platform(name: "vSphere", title: "VMware vSphere", steps: vSphere),
            Platform(name: "maas", title: "MAAS", steps: [maas]),
        ]
    }

    private var stick: [String] {
        if let device {
            return [
                "\(device) is ready: pull it once this command has ended, boot each host from it in UEFI mode, first in its boot order"
            ]
        }
        return [
            "stick: dray-import extract NAME MEDIA --to /dev/sdX --yes-erase /dev/sdX writes the image to the whole device, reads it "
                + "back and compares; then boot each host from it in UEFI mode, first in its boot order"
        ]
    }

    private var virtualMedia: String {
        (device == nil ? "or" : "without the stick: extract to a file and")
            + " attach it as a virtual CD/DVD of the host's management controller (iDRAC, iLO and the like) and boot from that once. How "
            + "large an image a controller takes, and whether from a share or through the browser, is for its manual to say"
    }

    private var vSphere: [String] {
        let file = device == nil ? image.lastComponent?.string ?? "the ISO" : "the ISO (extract it to a file)"
        return [
            "upload \(file) to a datastore that all the hosts' virtual machines reach: in the vSphere Client, or with govc "
                + "datastore.upload; compare the checksum of what arrived where the datastore can be read",
            "each virtual machine: EFI firmware, the image in CD/DVD drive 1, connected at power on, first in the boot order; after the "
                + "installation disconnect it, or the machine installs again",
        ]
    }

    private var maas: String {
        "the vendor names MAAS as a platform and says that ISO images are uploaded and deployed there with Packer, and leads to MAAS's "
            + "documentation of custom images; the exact way isn't published, so ask the vendor for the release's own"
    }

    private static let common =
        "all: UEFI only; one or three hosts with 8 CPUs, 16 GB and two disks each, of at least 300 GB (installed on: its content is "
        + "erased) and 500 GB (storage pool: wiped). With Secure Boot first enroll the vendor's MOK.der. The installer starts by itself "
        + "from the boot menu; then https://<host>:5080. It installs hosts, and upgrades none that runs"

    /// For people: text that begins with `# `.
    package var lines: [String] {
        platforms.flatMap { platform in platform.steps.map { "# \(platform.title): \($0)" } } + ["# " + Self.common]
    }

    var json: JSONValue {
        var found: [String: JSONValue] = ["all": .array([.string(Self.common)])]
        for platform in platforms { found[platform.name] = .array(platform.steps.map(JSONValue.string)) }
        return .object(found)
    }
}
