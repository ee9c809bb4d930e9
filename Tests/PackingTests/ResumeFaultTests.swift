// SPDX-License-Identifier: Apache-2.0

import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing

/// Runs that stopped for a reason, mended, and run again: what comes must be what an undisturbed run gives.
struct ResumeFaultTests {
    private static let largest = "$(cd $i/mirror/blobs/sha256; ls -S | head -1)"

    /// Packs into `out` after the fault, mends it, packs again; the volumes must equal those of an undisturbed run.
    private func check(_ fixture: PackFixture, break fault: String, mend: String, volumeSize: UInt64 = 1 << 20) throws {
        let (inputs, out) = (fixture.sample.inputs.string, fixture.place.appending("out").string)
        let variables = "i=\(inputs); p=\(out)/.palette-enterprise-1.0.0.partial; "
        let whole = try fixture.pack(out: "whole", volumeSize: volumeSize).folder
        try sh(variables + fault)
        #expect(throws: (any Error).self) { try fixture.pack(volumeSize: volumeSize) }
        try sh(variables + mend)
        let mended = try fixture.pack(volumeSize: volumeSize).folder
        #expect(try fixture.volumeSums(mended) == fixture.volumeSums(whole))
        try sh("cmp \(mended)/index \(whole)/index; cd \(mended); sha256sum --quiet -c SHA256SUMS")
        let tool = SourceTree.tool("dray").string
        try sh("\(tool) verify \(mended) --root \(mended)/trust/1.root.json --quiet")
    }

    @Test func `frames of a blob that was damaged are not believed afterwards`() throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        try check(
            fixture,
            break: """
                cd $i/mirror/blobs/sha256; cp $(ls -S | sed -n 3p) $i/kept; f=$(ls -S | head -1); cp -p $f $i/kept
                printf XXXX | dd of=$f bs=1 seek=500000 conv=notrunc status=none
                """, mend: "cp -p $i/kept $i/mirror/blobs/sha256/\(Self.largest)")
    }

    @Test func `what an earlier run left beside the volumes does not stay`() throws {
        let fixture = try PackFixture()
        try check(
            fixture, break: "printf x >> $i/tools/tool; rm $i/appliance.iso.sig.bin; cp $i/release.yaml $i/kept",
            mend: """
                openssl dgst -sha256 -sign $i/vendor.key -out $i/appliance.iso.sig.bin $i/appliance.iso
                rm -rf \(fixture.place.path)/whole; mkdir -p $p/trust $p/kit $p/volumes
                touch $p/trust/9.targets.json $p/kit/old $p/.x.new $p/volumes/palette-enterprise-1.0.0.009.tar.zst
                """, again: true)
    }

    /// As above, but the undisturbed run is made after mending.
    private func check(_ fixture: PackFixture, break fault: String, mend: String, again: Bool) throws {
        let (inputs, out) = (fixture.sample.inputs.string, fixture.place.appending("out").string)
        let variables = "i=\(inputs); p=\(out)/.palette-enterprise-1.0.0.partial; "
        try sh(variables + fault)
        #expect(throws: (any Error).self) { try fixture.pack() }
        try sh(variables + mend)
        let mended = try fixture.pack().folder
        let tool = SourceTree.tool("dray").string
        try sh("\(tool) verify \(mended) --root \(mended)/trust/1.root.json --quiet")
        try sh("cd \(mended); test ! -e kit -a ! -e .x.new -a ! -e trust/9.targets.json")
        #expect(try !mended.appending("volumes").entries().contains { $0.contains(".009.") })
    }

    @Test(arguments: ["rm", "truncate -s 5000", ": >"])
    func `a finished volume that was taken away or cut is noticed`(damage: String) throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        // the last input fails, all volumes before it are whole
        try fixture.sample.edit(
            "  - file: tools/tool\n    plain: false\n", "  - file: tools/tool\n    plain: false\n    signature: x.sig\n"
        )
        try sh("cp \(fixture.sample.inputs)/appliance.iso.sig.bin \(fixture.sample.inputs)/x.sig")
        #expect(throws: PackError.self) { try fixture.pack(volumeSize: 1 << 20) }
        let volumes = fixture.place.appending("out/.palette-enterprise-1.0.0.partial/volumes")
        try sh("cd \(volumes); \(damage) palette-enterprise-1.0.0.003.tar.zst")
        #expect(
            throws: PackError.partialShorterThanJournal(volumes.appending("palette-enterprise-1.0.0.003.tar.zst"))
        ) { try fixture.pack(volumeSize: 1 << 20) }
    }

    @Test func `a volume in the making that was cut is noticed`() throws {
        let fixture = try PackFixture()
        try sh("head -c 200M /dev/urandom > \(fixture.sample.inputs)/tools/tool")
        try fixture.sample.edit(
            "  - file: tools/tool\n", "  - file: tools/tool\n    plain: false\n    signature: x.sig\n")
        try sh("cp \(fixture.sample.inputs)/appliance.iso.sig.bin \(fixture.sample.inputs)/x.sig")
        #expect(throws: PackError.signatureWrong("\(fixture.sample.inputs)/tools/tool")) { try fixture.pack() }
        let volume = fixture.place.appending("out/.palette-enterprise-1.0.0.partial/volumes")
            .appending("palette-enterprise-1.0.0.002.tar.zst")
        try sh("truncate -s 5M \(volume)")
        #expect(throws: PackError.partialShorterThanJournal(volume)) { try fixture.pack() }
    }
}
