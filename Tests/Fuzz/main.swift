// SPDX-License-Identifier: Apache-2.0

import CLibFuzzer
import Glibc

// One fuzz target a run, named by DRAY_FUZZ_TARGET; the arguments are libFuzzer's. scripts/fuzz starts it.

/// What libFuzzer calls with each input.
typealias OneInput = @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: start, count: count))
}

func oneInput(of target: String) -> OneInput? {
    switch target {
    case "metadata":
        { start, count in
            MetadataFuzzing.check(unsafe bytes(start, count))
            return 0
        }
    case "release":
        { start, count in
            ReleaseFuzzing.check(unsafe bytes(start, count))
            return 0
        }
    case "index":
        { start, count in
            IndexFuzzing.check(unsafe bytes(start, count))
            return 0
        }
    default: nil
    }
}

guard let name = unsafe getenv("DRAY_FUZZ_TARGET"), let target = unsafe oneInput(of: String(cString: name)) else {
    fatalError("DRAY_FUZZ_TARGET must be metadata, release or index")
}
var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
exit(unsafe LLVMFuzzerRunDriver(&count, &arguments, target))
