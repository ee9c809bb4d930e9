// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import OCI

/// Where a site's registry has what a release names: rules over the names that the appliance gives (docs/targets.md, "Mapping").
/// Without a rule for it a repository keeps its name.
package struct RegistryMapping: Sendable, Equatable {
    /// One rule, `SRC=DST`.
    package struct Rule: Sendable, Equatable {
        /// As it was written.
        package let text: String
        /// The repository, or what its name begins with; "" for all.
        let source: String
        let kind: Kind
        /// What comes before and after the rest.
        let destination: (before: String, after: String)
        let rest: Rest

        enum Kind: Int, Sendable {
            /// All that begins so.
            case prefix
            /// `docker.io/*`: names without a host, as the appliance keeps images of Docker Hub.
            case hub
            case exact
        }

        /// What becomes of what the source's `*` stood for.
        enum Rest: Sendable {
            case dropped, kept
            /// Its slashes become hyphens.
            case flat
        }

        package static func == (left: Rule, right: Rule) -> Bool { left.text == right.text }
    }

    package let rules: [Rule]

    /// All names stay.
    package static let none = RegistryMapping()

    private init() { rules = [] }

    /// Takes rules in any order: the longest source that fits decides. Throws `MappingRuleError` for what is no rule, and for two
    /// of one source.
    package init(_ texts: [String]) throws(MappingRuleError) {
        var rules: [Rule] = []
        for text in texts {
            let rule = try Rule(parsing: text)
            if let other = rules.first(where: { $0.source == rule.source && $0.kind == rule.kind }) {
                throw .twice(other.text, text)
            }
            rules.append(rule)
        }
        self.rules = rules
    }

    /// The rules as they were written.
    package var texts: [String] { rules.map(\.text) }

    /// The rule that decides about a repository.
    func rule(for repository: String) -> Rule? {
        rules.filter { $0.matches(repository) }.max { left, right in
            (left.kind.rawValue, left.source.utf8.count) < (right.kind.rawValue, right.source.utf8.count)
        }
    }

    /// Where a repository goes; whether a registry can take that name is another question.
    package func destination(of repository: String) -> String {
        rule(for: repository)?.destination(of: repository) ?? repository
    }

    /// A reference `<repository>:<tag>` or `<repository>@<digest>` with its repository's place.
    func destination(ofReference name: String) -> String {
        guard let place = Place(parsing: name) else { return name }
        return Place(destination(of: place.repository), place.reference).description
    }
}

extension RegistryMapping.Rule {
    private static let flat = "{flat}"

    /// Reads `SRC=DST`: SRC is a repository, or ends with `*`; DST may hold one `*` or `{flat}` for what that stands for.
    init(parsing text: String) throws(MappingRuleError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { throw .malformed(text) }
        let (written, target) = (parts[0], parts[1])
        self.text = text
        let isOpen = written.hasSuffix("*")
        let start = isOpen ? String(written.dropLast()) : written
        guard !start.contains("*"), isOpen ? Self.isBeginning(start) : Reference.isRepository(start) else {
            throw .malformed(text)
        }
        let hubless = ["docker.io/", "index.docker.io/"].first(where: start.hasPrefix).map { start.dropFirst($0.count) }
        source = hubless.map(String.init) ?? start
        kind = !isOpen ? .exact : hubless == "" ? .hub : .prefix
        let marks = [Self.flat, "*"].filter(target.contains)
        let pieces = marks.first.map { Self.split(target, at: $0) } ?? [target]
        guard marks.count <= 1, pieces.count <= 2, isOpen || pieces.count == 1,
            Self.isBeginning(pieces[0]) || pieces[0].isEmpty
        else { throw .malformed(text) }
        destination = (pieces[0], pieces.count == 2 ? pieces[1] : "")
        rest = marks.isEmpty ? .dropped : marks == [Self.flat] ? .flat : .kept
        let sample = rest == .dropped ? target : destination.before + "a" + destination.after
        guard Reference.isRepository(sample) else { throw .malformed(text) }
    }

    private static func split(_ text: String, at mark: String) -> [String] {
        var (pieces, rest) = ([String](), Substring(text))
        while let range = rest.firstRange(of: mark) {
            pieces.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return pieces + [String(rest)]
    }

    // Something may follow: a separator at its end is no fault.
    private static func isBeginning(_ text: String) -> Bool { text.isEmpty || Reference.isRepository(text + "a") }

    func matches(_ repository: String) -> Bool {
        switch kind {
        case .exact: repository == source
        case .prefix: repository.hasPrefix(source) && repository.utf8.count > source.utf8.count
        case .hub: RegistryMapping.isOfDockerHub(repository)
        }
    }

    func destination(of repository: String) -> String {
        let tail = kind == .exact ? "" : String(repository.dropFirst(source.count))
        let rest =
            switch rest {
            case .dropped: ""
            case .kept: tail
            case .flat: tail.replacing("/", with: "-")
            }
        return destination.before + rest + destination.after
    }
}

extension RegistryMapping {
    /// Whether the appliance's name of a repository is that of an image of Docker Hub: one without a host.
    static func isOfDockerHub(_ repository: String) -> Bool {
        let parts = repository.split(separator: "/")
        guard let first = parts.first, !first.contains("."), first != "localhost" else { return false }
        return !repository.hasPrefix("spectro-packs/") && repository != "bundle-definition"
            && repository != SiteArtifact.repository
    }
}

/// Why rules can't be used.
package enum MappingRuleError: Error, Equatable {
    case malformed(String)
    /// Two rules with one source.
    case twice(String, String)
}

extension MappingRuleError: ClassifiedError {
    package var failure: Failure { .usage }

    package var description: String {
        switch self {
        case .malformed(let text):
            "--map \"\(String(text.prefix(300)).printable)\" is no rule; write SRC=DST, for example 'quay.io/*=mirror/*' or, where a "
                + "registry takes no deeper paths, '*={flat}'"
        case .twice(let first, let second):
            "--map \(first.shellWord) and \(second.shellWord) are about the same names; give one"
        }
    }
}

/// Why a release can't go under the names that its mapping gives.
package enum MappedNameError: Error, Equatable {
    /// Different repositories would become one: its name, and theirs.
    case collisions([String: [String]])
    /// Names that no registry takes, or longer than 255 bytes with the base path, by what they come from.
    case unusable([String: String])
}

extension MappedNameError: ClassifiedError {
    package var failure: Failure { .refused }

    package var description: String {
        switch self {
        case .collisions(let names):
            "the rules of --map put different repositories into one, and nothing was sent:\n"
                + MappedNameError.lines(
                    names.map { ($0, $1.sorted().joined(separator: ", ")) }.map { "\($0)  <-  \($1)" })
                + "\nGive one of them a rule of its own"
        case .unusable(let names):
            "no registry takes these names (255 bytes with the base path, parts of a-z 0-9 . _ -), and nothing was sent:\n"
                + MappedNameError.lines(names.map { "\($0)  ->  \($1)" }) + "\nGive them a rule with --map"
        }
    }

    private static func lines(_ lines: [String]) -> String {
        lines.sorted().prefix(20).map { "  \($0)" }.joined(separator: "\n")
            + (lines.count > 20 ? "\n  and \(lines.count - 20) more" : "")
    }
}
