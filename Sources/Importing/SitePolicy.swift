// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage
package import Trust

/// What a site has decided once, and no option of a command can undo.
///
/// It stands in `/etc/dray/policy.json`, which root alone should be able to write, and in `policy.json` of the state folder;
/// of the two the stricter word counts, member by member.
package struct SitePolicy: Sendable, Equatable {
    /// Whether what parses input from media must run without the right to reach anything else.
    package enum Sandbox: String, Sendable {
        case required, none
    }

    /// Only a FIPS module computes.
    package var fips = false
    /// The module that FIPS takes, an absolute path.
    package var fipsModule: FilePath?
    /// The certificate that the site says its module has; shown, never judged.
    package var fipsCertificate: String?
    package var sandbox = Sandbox.required
    /// A load needs a plan that a second person has signed.
    package var requireApproval = false

    /// The policy of a site that has written none.
    package init() {}

    /// Where a whole machine's policy is.
    package static let machineFile = FilePath("/etc/dray/policy.json")

    /// The most bytes that a policy may have.
    package static let maximumSize = 64 << 10

    /// Reads the JSON of a policy file. Throws `JSONError`, for members that it doesn't know too: a misspelt rule is no rule.
    package init(parsing bytes: [UInt8]) throws {
        let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: SitePolicy.maximumSize)))
        try document.allow(only: ["fips", "fipsModule", "fipsCertificate", "sandbox", "requireApproval"])
        fips = try document.optional("fips")?.bool() ?? false
        fipsModule = try document.optional("fipsModule").map { FilePath(try $0.string()) }
        fipsCertificate = try document.optional("fipsCertificate")?.string()
        requireApproval = try document.optional("requireApproval")?.bool() ?? false
        guard let sandbox = try document.optional("sandbox") else { return }
        guard let word = Sandbox(rawValue: try sandbox.string()) else { throw sandbox.invalid("required or none") }
        self.sandbox = word
    }

    /// Both together: whatever either of them demands. A file that says nothing of the sandbox requires it.
    package func stricter(_ other: SitePolicy) -> SitePolicy {
        var both = self
        both.fips = fips || other.fips
        both.requireApproval = requireApproval || other.requireApproval
        both.fipsModule = fipsModule ?? other.fipsModule
        both.fipsCertificate = fipsCertificate ?? other.fipsCertificate
        if other.sandbox == .required { both.sandbox = .required }
        return both
    }
}

extension SiteState {
    /// Where the policy of this state is.
    package var policyFile: FilePath { path.appending("policy.json") }

    /// The policy that holds here: the machine's and this state's. Throws `StateError.unreadablePolicy` for a file that is no
    /// policy: without its rules nothing may go on.
    package func policy(machineFile: FilePath = SitePolicy.machineFile) throws -> SitePolicy {
        let read = [machineFile, policyFile].map { file in Result { try SitePolicy(at: file) } }
        let found = try read.compactMap { try $0.get() }
        guard let first = found.first else { return SitePolicy() }
        return found.dropFirst().reduce(first) { $0.stricter($1) }
    }
}

extension SiteState {
    /// Turns on in this state's policy what the change turns on, in one step; returns what holds then. Nothing is ever turned off:
    /// that takes an editor and the right to write the file.
    ///
    /// Throws `StateError.unreadablePolicy`, also for a change that makes the policy laxer or names another module.
    package func tighten(
        machineFile: FilePath = SitePolicy.machineFile, _ change: (inout SitePolicy) -> Void
    ) throws -> SitePolicy {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        // a new file begins with what holds: one that said nothing of the sandbox would require it
        let known = try SitePolicy(at: policyFile) ?? policy(machineFile: machineFile)
        var wanted = known
        change(&wanted)
        // the other's word comes first where only one can stand
        guard wanted.stricter(known) == wanted, known.stricter(wanted) == wanted else {
            throw StateError.unreadablePolicy(policyFile, "it says otherwise already")
        }
        if try wanted != known || !policyFile.exists() {
            try policyFile.replaceContents(with: wanted.json.canonicalBytes + [UInt8(ascii: "\n")])
        }
        return try policy(machineFile: machineFile)
    }
}

extension SitePolicy {
    /// The members of a policy file, each of them: what is left out would be read as its strictest or its absence.
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "fips": .bool(fips), "sandbox": .string(sandbox.rawValue), "requireApproval": .bool(requireApproval),
        ]
        if let fipsModule { members["fipsModule"] = .string(fipsModule.string) }
        if let fipsCertificate { members["fipsCertificate"] = .string(fipsCertificate) }
        return .object(members)
    }

    /// What `site policy` prints.
    package var report: Report { Report(text: rows.aligned, json: json) }

    /// For people.
    package var rows: [(String, String)] {
        var rows = [
            (
                "approval",
                requireApproval ? "required: a load needs a plan that a second person has signed" : "not required"
            ),
            ("fips", fips ? "required" : "not required"),
            ("sandbox", sandbox == .required ? "required" : "none, as the policy says"),
        ]
        if let fipsModule { rows.append(("fips module", fipsModule.string)) }
        if let fipsCertificate { rows.append(("fips certificate", fipsCertificate)) }
        return rows
    }

    /// `nil` where there is no file.
    fileprivate init?(at file: FilePath) throws {
        guard try file.exists() else { return nil }
        do {
            try self.init(parsing: file.contents(limit: SitePolicy.maximumSize))
        } catch let error as JSONError {
            throw StateError.unreadablePolicy(file, "\(error)")
        }
    }
}
