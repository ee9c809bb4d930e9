// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
package import OCI

/// The most that is taken of a registry's lists.
enum ListLimits {
    /// Docker's registry gives all tags in one page.
    static let pageBytes = 16 << 20
    static let pages = 10_000
    static let names = 1_000_000
    /// Names asked for at once.
    static let pageNames = 1000
    /// Pages of one manifest's referrers, each as large as a manifest may be.
    static let referrerPages = 16
}

// Lists, page by page (distribution-spec 1.1, "Content Discovery").
extension RegistryConnection {
    /// All tags of a repository, in the registry's order; `nil` where it has no such repository. Throws `listTooLong` for
    /// more than a million, `malformed` for a list that changes while it is read.
    ///
    /// Names that no client could ask for are left out here and in `catalog`.
    package func tags(_ repository: String) throws(RegistryError) -> [String]? {
        var pages = ListPages(
            Target("/v2/\(Target.escaped(repository))/tags/list?n=\(ListLimits.pageNames)"), .pull(repository))
        guard var tags = try names(of: &pages, TagsDocument.self) else { return nil }
        while !pages.isAtEnd { tags += try names(of: &pages, TagsDocument.self) ?? [] }
        return tags
    }

    /// Gives the names of all repositories that the login may read, those after `last` in the registry's order if that is
    /// given, a page at a time, until `page` returns `false`. `false` where the registry has no catalog.
    ///
    /// Throws what `page` throws; else as `tags`. Names hold the registry's whole path, base included.
    package func catalog(after last: String? = nil, page: ([String]) throws -> Bool) throws -> Bool {
        var first = Target("/v2/_catalog?n=\(ListLimits.pageNames)")
        if let last { first = first.adding("last", last) }
        var pages = ListPages(first, "registry:catalog:*")
        while let names = try names(of: &pages, CatalogDocument.self) {
            guard try page(names), !pages.isAtEnd else { return true }
        }
        return false
    }

    /// The manifests whose subject is `digest`; `nil` where the registry has no referrers API, and in Zot before 2.1.19
    /// where it has no such repository. Those with digests that aren't SHA-256 are left out.
    package func referrers(_ repository: String, _ digest: Digest) throws(RegistryError) -> [Descriptor]? {
        var pages = ListPages(
            Target("/v2/\(Target.escaped(repository))/referrers/\(digest)"), .pull(repository),
            pages: ListLimits.referrerPages, bytes: Manifest.maximumSize)
        var descriptors: [Descriptor] = []
        repeat {
            guard let index = try next(&pages, ReferrersDocument.self) else { return nil }
            descriptors += index.manifests.compactMap(\.descriptor)
        } while !pages.isAtEnd
        return descriptors
    }

    private func names<Document: NameList>(
        of pages: inout ListPages, _ type: Document.Type
    ) throws(RegistryError) -> [String]? {
        guard let document = try next(&pages, type) else { return nil }
        let names = (document.names ?? []).filter(Target.isName)
        pages.names += names.count
        guard pages.names <= ListLimits.names else { throw .listTooLong(pages.line(at: endpoint)) }
        return names
    }

    /// The next page; `nil` for 404 in place of the first one.
    private func next<Document: Decodable>(
        _ pages: inout ListPages, _ type: Document.Type
    ) throws(RegistryError) -> Document? {
        var request = self.request("GET", pages.next)
        request.answerLimit = pages.bytes
        guard pages.read < pages.limit else { throw .listTooLong(request.line) }
        let response = try send(request, scopes: [pages.scope])
        guard response.status == 200 else {
            guard pages.read > 0 || response.status != 404 else { return nil }
            throw unexpected(response, request, "a page of the list; it may have changed, run the same command again")
        }
        guard let document = try? JSONDecoder().decode(type, from: Data(response.body)) else {
            throw unexpected(response, request, "a readable list")
        }
        pages.read += 1
        pages.isAtEnd = true
        if let link = response.nextPage {
            guard let next = pages.next.resolving(link, at: endpoint) else { throw .foreignLocation(request.line) }
            (pages.next, pages.isAtEnd) = (next, false)
        }
        return document
    }
}

/// How far a list has been read.
private struct ListPages {
    var next: Target
    let scope: String
    let limit: Int
    let bytes: Int
    var read = 0
    var names = 0
    var isAtEnd = false

    init(
        _ first: Target, _ scope: String, pages: Int = ListLimits.pages, bytes: Int = ListLimits.pageBytes
    ) {
        (next, self.scope, limit, self.bytes) = (first, scope, pages, bytes)
    }

    func line(at endpoint: Endpoint) -> RequestLine { RequestLine("GET", endpoint.origin + next.text) }
}

private protocol NameList: Decodable {
    var names: [String]? { get }
}

private struct TagsDocument: NameList {
    var tags: [String]?  // Docker's registry says null for none
    var names: [String]? { tags }
}

private struct CatalogDocument: NameList {
    var repositories: [String]?
    var names: [String]? { repositories }
}

private struct ReferrersDocument: Decodable {
    struct Entry: Decodable {
        let descriptor: Descriptor?
        init(from decoder: any Decoder) throws { descriptor = try? Descriptor(from: decoder) }
    }

    var manifests: [Entry]
}

extension Target {
    // Visible ASCII: a path's letters, and nothing that a terminal would act on.
    fileprivate static func isName(_ text: String) -> Bool {
        (1...1024).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}

extension Response {
    /// Where the next page stands (RFC 8288).
    fileprivate var nextPage: String? {
        for value in all("link") {
            for match in value.matches(of: /<([^<>]*)>([^<]*)/)
            where match.2.contains(/;\s*rel\s*=\s*"?next\b/.ignoresCase()) {
                return String(match.1)
            }
        }
        return nil
    }
}
