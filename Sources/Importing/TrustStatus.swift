// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
package import SystemPackage
package import Trust

/// What a site trusts, until when, and what it should do next.
package struct TrustStatus: Sendable {
    /// What is said beforehand of what will expire.
    package static let warningDays: Int64 = 90

    private let products: [ProductTrust]
    private let bindings: [(names: [String], address: String, products: [String])]
    private let policy: SitePolicy
    private let faults: [String]
    private let (clock, floor): (UTCTime, UTCTime)
    private let state: SiteState

    /// Reads the state. `clock` is what the machine's says. Throws `StateError` and `TrustError` for files that can't be read.
    package init(_ state: SiteState, clock: UTCTime, machineFile: FilePath = SitePolicy.machineFile) throws {
        let floors = try state.receiptFloors()
        let known = try state.roots().sorted { $0.key < $1.key }.compactMap { fingerprint, roots in
            try TrustedRoot(chain: roots).map { root in
                ProductTrust(
                    fingerprint: fingerprint, root: root,
                    accepted: try state.accepted(fingerprint)?.metadata(under: root),
                    floors: floors[fingerprint.hex] ?? [])
            }
        }
        let targets = try state.targets()
        let bound = Dictionary(try state.bindings().map { ($0.address, $0.binding.products) }) { $1 }
        let addresses = Set(targets.map(\.address)).union(bound.keys).sorted()
        bindings = addresses.map { address in
            (targets.filter { $0.address == address }.map(\.name), address, bound[address] ?? [])
        }
        products = known.sorted { $0.root.root.product < $1.root.root.product }
        policy = try state.policy(machineFile: machineFile)
        faults = try state.receipts().faults
        (self.clock, floor) = (clock, known.compactMap(\.accepted?.time).reduce(UTCTime.toolDate, max))
        self.state = state
    }

    private var time: UTCTime { max(clock, floor) }

    /// `words`: `--state` and its folder, or nothing.
    package func report(_ words: [String]) -> Report {
        var sections = products.map { $0.text(at: time) }
        if products.isEmpty { sections.append("no root is trusted in \(state.path)") }
        if !bindings.isEmpty { sections.append("targets\n" + bindings.map(line).joined(separator: "\n")) }
        sections.append("policy\n" + indented(policy.rows))
        sections.append("clock: \(clock), taken as \(time)" + (clock < floor ? "; IT IS BEHIND" : ""))
        return Report(
            text: sections.joined(separator: "\n\n"), json: json,
            warnings: products.flatMap { $0.warnings(at: time) } + faults + clockWarnings, next: next(words))
    }

    private func line(_ bound: (names: [String], address: String, products: [String])) -> String {
        let name = bound.names.isEmpty ? "" : " (\(bound.names.joined(separator: ", ")))"
        return "  \(bound.address)\(name): "
            + (bound.products.isEmpty
                ? "nothing was loaded yet, the first load decides which product it takes"
                : "takes \(bound.products.joined(separator: ", "))")
    }

    private var clockWarnings: [String] {
        clock.adding(days: 1) <= floor ? [Finding.clockBehind(clock, taken: floor).description] : []
    }

    private func next(_ words: [String]) -> [String] {
        let trust = { (command: String) in (["dray-import", "trust", command, "MEDIA"] + words).shellLine }
        let load = (["dray-import", "load", "MEDIA", "--to", "TARGET"] + words).shellLine
        guard !products.isEmpty else {
            return ["# put the media's folder for MEDIA, and have the fingerprint at hand, from paper:", trust("add")]
        }
        if products.contains(where: { !$0.warnings(at: time).isEmpty }) {
            return [
                "# ask the sender for newer media or their trust folder, and put its place for MEDIA:", trust("update"),
            ]
        }
        if let fresh = products.first(where: { $0.accepted == nil }) {
            return [
                "# nothing of \(fresh.root.root.product) was loaded yet; put media and registry for MEDIA and TARGET:",
                load,
            ]
        }
        let end = products.map(\.end).min() ?? .latest
        return [
            "# all is in order until \(end.adding(days: -TrustStatus.warningDays)); newer media go on with:", load,
            "# and newer trust alone is taken with:", trust("update"),
        ]
    }

    private var json: JSONValue {
        [
            "products": .array(products.map { $0.json(at: time) }),
            "targets": .array(
                bindings.map { bound in
                    [
                        "address": .string(bound.address), "names": .array(bound.names.map(JSONValue.string)),
                        "products": .array(bound.products.map(JSONValue.string)),
                    ]
                }),
            "policy": policy.json,
            "clock": ["now": .string(clock.description), "floor": .string(floor.description)],
        ]
    }
}

/// What is trusted of one product.
private struct ProductTrust: Sendable {
    let fingerprint: Digest
    let root: TrustedRoot
    /// `nil` before the first load, and where newer roots have replaced the keys.
    let accepted: TrustedMetadata?
    let floors: [VersionFloor]

    /// When the first part of it expires.
    var end: UTCTime { ([root.root.header.expires] + (accepted.map { [$0.end] } ?? [])).min() ?? .latest }

    /// Records of something newer than what is known here.
    private var lost: [VersionFloor] {
        let known = accepted?.targets.content.header.version ?? 0
        return floors.filter { floor in
            floor.rootVersion > root.root.header.version
                || floor.counts(under: root.root) && floor.targetsVersion > known
        }
    }

    func text(at time: UTCTime) -> String {
        let header = root.root.header
        var rows = [
            ("fingerprint", RootCandidate.grouped(fingerprint.hex)),
            ("root", "version \(header.version), \(time.left(until: header.expires))"),
            ("root keys", root.root[.root].text), ("release keys", root.root[.targets].text),
        ]
        if let accepted {
            rows += [
                (
                    "accepted",
                    "targets \(accepted.targets.content.header.version), snapshot \(accepted.snapshot.content.header.version), "
                        + "timestamp \(accepted.timestamp.content.header.version), \(time.left(until: accepted.end))"
                ),
                ("releases", accepted.targets.content.supportedVersions.joined(separator: ", ")),
            ]
        } else {
            rows.append(("accepted", "nothing yet"))
        }
        return "\(root.root.product) is trusted\n" + indented(rows)
    }

    func warnings(at time: UTCTime) -> [String] {
        let parts = [("the root", root.root.header.expires)] + (accepted.map { [("what was accepted", $0.end)] } ?? [])
        let soon = parts.filter { time.days(until: $1) < TrustStatus.warningDays }
        return soon.map { "\(root.root.product): \($0) \(time.left(until: $1))" }
            + lost.map { floor in
                "\(root.root.product): \(floor.source) shows that root \(floor.rootVersion) and targets \(floor.targetsVersion) "
                    + "were accepted here, and they aren't known here any more; older media are refused until newer ones come"
            }
    }

    func json(at time: UTCTime) -> JSONValue {
        let header = root.root.header
        var members: [String: JSONValue] = [
            "product": .string(root.root.product), "fingerprint": .string(fingerprint.hex),
            "root": [
                "version": .int(header.version), "expires": .string(header.expires.description),
                "daysLeft": .int(time.days(until: header.expires)),
            ],
            "accepted": .null,
        ]
        for role in Role.allCases { members["\(role.rawValue)Keys"] = root.root[role].json }
        if let accepted {
            members["accepted"] = [
                "targets": .int(accepted.targets.content.header.version),
                "snapshot": .int(accepted.snapshot.content.header.version),
                "timestamp": .int(accepted.timestamp.content.header.version),
                "expires": .string(accepted.end.description), "daysLeft": .int(time.days(until: accepted.end)),
                "releases": .array(accepted.targets.content.supportedVersions.map(JSONValue.string)),
            ]
        }
        members["lost"] = .array(
            lost.map { ["source": .string($0.source), "targetsVersion": .int($0.targetsVersion)] })
        return .object(members)
    }
}

extension TrustedMetadata {
    /// When the first of the three files expires that releases come with.
    fileprivate var end: UTCTime {
        min(targets.content.header.expires, snapshot.content.header.expires, timestamp.content.header.expires)
    }
}

extension RoleKeys {
    fileprivate var text: String {
        "\(threshold) of \(keys.count) must sign: \(keys.map { String($0.id.hex.prefix(16)) }.joined(separator: ", "))"
    }

    fileprivate var json: JSONValue {
        ["threshold": .int(Int64(threshold)), "keys": .array(keys.map { .string($0.id.hex) })]
    }
}

extension UTCTime {
    /// Whole days, negative afterwards.
    fileprivate func days(until end: UTCTime) -> Int64 {
        let seconds = end.secondsSince1970 - secondsSince1970
        return seconds >= 0 ? seconds / 86_400 : -1 - (-seconds) / 86_400
    }

    fileprivate func left(until end: UTCTime) -> String {
        self < end ? "until \(end) (\(Int(days(until: end)).of("day")))" : "EXPIRED at \(end)"
    }
}

private func indented(_ rows: [(String, String)]) -> String {
    rows.aligned.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }.joined(separator: "\n")
}
