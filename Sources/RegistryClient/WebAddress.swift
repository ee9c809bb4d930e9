// SPDX-License-Identifier: Apache-2.0

/// The address of something on the web. Its query may be a signature that opens it: nothing prints it.
package struct WebAddress: Sendable, Hashable {
    /// Scheme, host and port; no base.
    package let endpoint: Endpoint
    /// Path and query as sent.
    let target: String

    /// Reads an `http:` or `https:` address of visible ASCII, at most 8 KiB. Throws `EndpointError`, which holds neither
    /// query nor user name, for anything else and for addresses with a user name.
    package init(parsing text: String) throws(EndpointError) {
        let bare = String(text.prefix { $0 != "?" && $0 != "#" })
        guard text.utf8.count <= 8 << 10, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C }) else {
            throw .path(String(bare.prefix(300)))
        }
        let rest = bare.firstRange(of: "://").map { bare[$0.upperBound...] } ?? ""
        let path = rest.drop { $0 != "/" }
        endpoint = try Endpoint(parsing: String(bare.dropLast(path.count)))
        let query = text.dropFirst(bare.count).prefix { $0 != "#" }
        target = (path.isEmpty ? "/" : String(path)) + query
    }

    /// What a `Location` leads to from another address (RFC 3986, section 5); `nil` where that is no address.
    init?(_ location: String, from base: String) {
        let root = base.prefix { $0 != "?" }
        guard let mark = root.firstRange(of: "://") else { return nil }
        let path = root[mark.upperBound...].drop { $0 != "/" }
        let origin = root.dropLast(path.count)
        let colon = location.prefix { $0 != "/" && $0 != "?" }.firstIndex(of: ":")
        let text: String
        if colon != nil {
            text = location
        } else if location.hasPrefix("//") {
            text = String(root[..<mark.lowerBound]) + ":" + location
        } else if location.hasPrefix("/") {
            text = origin + location
        } else {
            let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "/"
            text = origin + folder + location
        }
        do { try self.init(parsing: text) } catch { return nil }
    }

    /// The whole address. Never to be shown.
    var url: String { endpoint.origin + target }

    /// The path without the query.
    package var path: String { String(target.prefix { $0 != "?" }) }

    /// The path's last part with its percent escapes resolved; "" for a folder. Whatever it holds: check it before use.
    package var fileName: String {
        var bytes: [UInt8] = []
        var rest = Array(path.utf8.reversed().prefix { $0 != UInt8(ascii: "/") }.reversed())[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What `text` names, seen from this address: an address of its own, or one below this one's folder. Throws
    /// `EndpointError`.
    package func resolving(_ text: String) throws(EndpointError) -> WebAddress {
        guard let address = WebAddress(text, from: endpoint.origin + path) else {
            throw .path(String(text.prefix { $0 != "?" }.prefix(300)))
        }
        return address
    }
}

extension WebAddress: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Without the query.
    package var description: String { endpoint.origin + path }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["address": description]) }
}
