// SPDX-License-Identifier: Apache-2.0

import Files
import Support
import SystemPackage
import Testing

/// What /sys says of disks, on a made one.
struct BlockDeviceTests {
    private let folder = TemporaryFolder()

    /// A stick sdb with two partitions, a built-in disk sda, the device mapper's dm-0 on sda2, a loop device.
    private func devices(mounts: String = "", swaps: String = "Filename Type Size Used Priority\n") throws
        -> BlockDevices
    {
        let script = """
            cd \(folder.path); mkdir -p class/block dev/block devices; cd devices
            disk() { mkdir -p $1/device $1/holders $1/slaves; echo $2 > $1/dev; echo $3 > $1/size; echo $4 > $1/removable; echo 0 > $1/ro
                ln -s ../../devices/$1 ../class/block/$1; ln -s ../../devices/$1 ../dev/block/$2; }
            part() { mkdir -p $1/$2/holders $1/$2/slaves; echo $3 > $1/$2/dev; echo $4 > $1/$2/size; echo 1 > $1/$2/partition
                ln -s ../../devices/$1/$2 ../class/block/$2; ln -s ../../devices/$1/$2 ../dev/block/$3; }
            disk sda 8:0 2000000 0; part sda sda1 8:1 100000; part sda sda2 8:2 1800000
            disk sdb 8:16 61440000 1; part sdb sdb1 8:17 60000000; part sdb sdb2 8:18 1000
            disk dm-0 253:0 1800000 0; mkdir sda/sda2/holders/dm-0 dm-0/slaves/sda2
            disk loop0 7:0 4096 0; mkdir loop0/loop; echo '/var/images/a file.iso' > loop0/loop/backing_file
            printf 'SanDisk \\n' > sdb/device/vendor; printf 'Ultra Fit       \\n' > sdb/device/model; echo 4C53 > sdb/device/serial
            """
        let made = try run(["bash", "-ec", script])
        #expect(made.status == 0, "\(made.errorOutput)")
        return BlockDevices(sys: folder.path, mounts: MountTable(mounts), swaps: swaps)
    }

    private func mount(_ number: String, _ point: String, _ source: String, type: String = "ext4") -> String {
        "36 35 \(number) / \(point) rw - \(type) \(source) rw\n"
    }

    @Test func `a stick is described as people know it`() throws {
        let stick = try devices().device(named: "sdb")
        #expect(stick.model == "SanDisk Ultra Fit" && stick.serial == "4C53" && stick.size == 61_440_000 << 9)
        #expect(stick.isRemovable && !stick.isWriteProtected && stick.wholeDisk == nil && stick.backingFile == nil)
        #expect(stick.partitions.map(\.name) == ["sdb1", "sdb2"])
        #expect(stick.mountPoints.isEmpty && stick.uses.isEmpty)
    }

    @Test func `a partition, a built-in disk and a loop device are told apart`() throws {
        let devices = try devices()
        #expect(try devices.device(DeviceNumber(major: 8, minor: 17)).wholeDisk == "sdb")
        #expect(try !devices.device(named: "sda").isRemovable)
        #expect(try devices.device(named: "loop0").backingFile == "/var/images/a file.iso")
        #expect(throws: FileError.self) { try devices.device(DeviceNumber(major: 8, minor: 99)) }
    }

    @Test func `what is mounted from a device is found through partitions, mappings and sources`() throws {
        let table =
            mount("8:17", "/media/stick", "/dev/sdb1") + mount("253:0", "/", "/dev/mapper/root")
            + mount("0:40", "/data", "/dev/dray-no-such-sdb2", type: "btrfs")
        let devices = try devices(mounts: table)
        #expect(try devices.device(named: "sdb").mountPoints == ["/media/stick"])
        #expect(try devices.device(named: "sda").mountPoints == ["/"])
        #expect(try devices.device(named: "loop0").mountPoints.isEmpty)
    }

    @Test func `swap and what is built on a device keep it in use`() throws {
        let devices = try devices(swaps: "Filename Type Size Used Priority\n/dev/sdb2 partition 500 0 -2\n")
        #expect(try devices.device(named: "sdb").uses == ["swap on sdb2"])
        #expect(try devices.device(named: "sda").uses == ["dm-0 on sda2"])
    }

    @Test(
        arguments: [
            ([], 0..<10, 0..<10), ([0..<4], 0..<10, 4..<10), ([0..<4, 6..<8], 0..<10, 4..<6), ([2..<4], 0..<3, 0..<2),
            ([0..<10], 3..<7, nil), ([0..<4, 6..<8], 6..<9, 8..<9), ([5..<6], 6..<7, 6..<7),
        ] as [([Range<UInt64>], Range<UInt64>, Range<UInt64>?)])
    func `the first gap of ranges is found`(_ there: [Range<UInt64>], _ wanted: Range<UInt64>, _ gap: Range<UInt64>?) {
        var ranges = ByteRanges()
        for range in there { ranges.insert(range) }
        #expect(ranges.gap(in: wanted) == gap)
    }

    @Test func `ranges hold what was inserted, whatever the order`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var (ranges, model) = (ByteRanges(), Set<UInt64>())
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let start = UInt64.random(in: 0..<50, using: &random)
                let range = start..<start + UInt64.random(in: 0..<12, using: &random)
                ranges.insert(range)
                model.formUnion(range)
            }
            let cut = UInt64.random(in: 0..<60, using: &random)
            let hole = cut / 2..<cut
            #expect(Set(ranges.ranges.flatMap(Array.init)) == model && ranges.count == UInt64(model.count))
            #expect(zip(ranges.ranges, ranges.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
            #expect(Set(ranges.without(hole).ranges.flatMap(Array.init)) == model.subtracting(hole))
            ranges.cut(at: cut)
            #expect(Set(ranges.ranges.flatMap(Array.init)) == model.filter { $0 < cut })
        }
    }
}
