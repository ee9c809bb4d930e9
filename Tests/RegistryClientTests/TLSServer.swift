// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import Testing

/// `openssl s_server` on a free port: shows whatever certificates it is told to.
final class TLSServer {
    let port: UInt16
    let shell: Shell
    private var process: ChildProcess?

    /// `make` writes `server.pem` and `server.key` into the shell's folder; `arguments` follow `openssl s_server`.
    init(_ make: String, _ arguments: [String] = []) throws {
        let shell = Shell()
        try #require(shell.run(make), "\(String(decoding: (try? shell.read("log")) ?? [], as: UTF8.self))")
        self.shell = shell
        port = Loopback.freePort()
        let folder = shell.folder
        let files = ["-cert", folder.appending("server.pem").string, "-key", folder.appending("server.key").string]
        process = try ChildProcess(
            ["openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-www", "-quiet"] + files + arguments,
            output: folder.appending("out"), errorOutput: folder.appending("err"))
        for _ in 0..<500 where !Loopback.accepts(port) { usleep(5000) }
    }

    var url: String { "https://127.0.0.1:\(port)" }

    func path(_ name: String) -> String { shell.folder.appending(name).string }

    private static let new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

    /// A certificate that signs itself, for these names.
    static func selfSigned(_ names: String = "IP:127.0.0.1", days: Int = 1) -> String {
        "\(new) -days \(days) -keyout server.key -out server.pem -subj /CN=alone -addext subjectAltName=\(names)"
    }

    /// A certificate for 127.0.0.1 whose life is over, from the authority `ca.pem`, whose is not.
    static let expired = """
        \(new) -days 1 -keyout ca.key -out ca.pem -subj /CN=authority
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=old
        printf 'subjectAltName=IP:127.0.0.1' > names
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -extfile names -out server.pem
        """

    /// A certificate for 127.0.0.1 from the authority `ca.pem`.
    static let signed = expired.replacing("-days -1", with: "-days 1").replacing("/CN=old", with: "/CN=server")
}
