// SPDX-License-Identifier: Apache-2.0

import Files
import Testing

struct ByteSizeTests {
    @Test(arguments: [
        ("0", 0), ("1", 1), ("4294967295", 4_294_967_295), ("12B", 12), ("25GB", 25_000_000_000),
        ("25 gb", 25_000_000_000), ("700MiB", 734_003_200), ("1kB", 1000), ("1KiB", 1024), ("2TB", 2_000_000_000_000),
        ("1TiB", 1 << 40), ("1.5GB", 1_500_000_000), ("0.5MiB", 524_288), ("4.7GB", 4_700_000_000),
        ("80G", 80_000_000_000), ("20m", 20_000_000), ("1k", 1000), ("1.5 T", 1_500_000_000_000), ("2.25KiB", 2304),
        ("9223372036854775807", UInt64(Int64.max)),
    ]) func `a size is read`(_ text: String, _ bytes: UInt64) throws {
        #expect(try ByteSize(parsing: text).bytes == bytes)
    }

    @Test(arguments: [
        "", "GB", "1,5GB", "-1", "+1", "1e9", "0x10", "12XB", "12GG", "1 000", "1.2345GB", "25GB ", "٣", "1.5B",
    ])
    func `a text that is no size is refused`(_ text: String) {
        #expect(throws: ByteSizeError.malformed(text)) { try ByteSize(parsing: text) }
    }

    @Test(arguments: ["9223372036854775808", "8388608TiB", "9999999999999999999TB"])
    func `a size that no file can have is refused`(_ text: String) {
        #expect(throws: ByteSizeError.tooLarge(text)) { try ByteSize(parsing: text) }
    }

    @Test(arguments: [
        ("fat32", 4_294_967_295), ("none", 0), ("FAT32", 4_294_967_295), ("1MiB", 1_048_576), ("25GB", 25_000_000_000),
    ]) func `a volume's size is read, also as a medium's name`(_ text: String, _ bytes: UInt64) throws {
        #expect(try ByteSize(parsingVolume: text).bytes == bytes)
    }

    @Test(arguments: [
        ("dvd", 4_700_372_992), ("bd25", 25_025_314_816), ("bd50", 50_050_629_632), ("bd100", 100_103_356_416),
    ]) func `a disc's volumes leave room for what stands on every medium`(_ name: String, _ capacity: UInt64) throws {
        let bytes = try ByteSize(parsingVolume: name).bytes
        #expect(bytes < capacity - (100 << 20))
        #expect(bytes > capacity / 10 * 9)
    }

    @Test(arguments: ["0", "1", "1MB", "1048575"]) func `a volume below one block is refused`(_ text: String) {
        #expect(throws: ByteSizeError.tooSmall(text)) { try ByteSize(parsingVolume: text) }
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1049, "1.0 kB"), (99_949, "99.9 kB"), (100_000, "100 kB"),
        (999_999, "999 kB"), (1_000_000, "1.0 MB"), (1_300_000_000, "1.3 GB"), (5_000_000_000_000, "5.0 TB"),
        (7_000_000_000_000_000, "7000 TB"),
    ]) func `bytes are shown with few digits`(_ bytes: UInt64, _ text: String) {
        #expect(ByteSize(bytes: bytes).description == text)
    }
}
