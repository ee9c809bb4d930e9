// SPDX-License-Identifier: Apache-2.0

/// Ends the process, which libFuzzer reports as a crash, unless `holds`. `fatalError`, for its text shows in release builds.
func demand(_ holds: Bool, _ rule: StaticString) {
    if !holds { fatalError("broken: \(rule)") }
}

/// What `body` gives; `nil` when it refuses the input, whatever the reason.
func accepted<Value>(_ body: () throws -> Value) -> Value? {
    do { return try body() } catch { return nil }
}
