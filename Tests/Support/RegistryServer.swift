// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
package import SystemPackage

/// Debian's `docker-registry` on a free loopback port, with its storage in a temporary folder. Killed, by its own id,
/// when its owner goes.
package final class RegistryServer: Sendable {
    /// What the registry asks of its clients.
    package struct Options: Sendable {
        /// The one user and password that are let in; `nil` lets everyone in.
        package var login: (user: String, password: String)?
        /// Serves TLS with a certificate of `certificates`.
        package var tls = false
        /// The names in the server's certificate, as openssl writes them.
        package var certificateNames = "IP:127.0.0.1,DNS:localhost"
        /// Accepts only clients with a certificate of `certificates`.
        package var clientCertificates = false

        package init() {}
    }

    package let port: UInt16
    package let options: Options
    /// Configuration, storage (`store/`), log (`log`) and certificates.
    package let folder: TemporaryFolder
    /// The certificates that TLS runs with.
    package let certificates: TestCertificates?
    private let process: Mutex<ChildProcess?>

    package init(_ options: Options = Options()) throws {
        folder = TemporaryFolder()
        self.options = options
        certificates = options.tls ? try TestCertificates(in: folder, names: options.certificateNames) : nil
        if let (user, password) = options.login {
            let file = try run(["htpasswd", "-Bbn", user, password])
            try write(file.stdout, to: folder.appending("htpasswd"))
        }
        let (port, process) = try RegistryServer.start(options, folder)
        self.port = port
        self.process = Mutex(process)
    }

    deinit { kill() }  // before its folder goes

    /// For example `http://127.0.0.1:40123`.
    package var url: String { "\(options.tls ? "https" : "http")://127.0.0.1:\(port)" }

    /// Kills the registry at once, as a power cut does.
    package func kill() {
        process.withLock { process in
            process?.kill()
            process = nil
        }
    }

    /// Starts the killed registry again on the same port and storage.
    package func restart() throws {
        kill()
        let started = try RegistryServer.start(options, folder, port: port).process
        process.withLock { $0 = started }
    }

    /// Files below the storage whose path contains `text`.
    package func stored(_ text: String) throws -> [String] {
        let list = try run(["find", folder.appending("store").string, "-type", "f", "-path", "*\(text)*"])
        return list.output.split(separator: "\n").map(String.init).sorted()
    }

    // Another process may take the port between the look and the start; then the next one.
    private static func start(
        _ options: Options, _ folder: TemporaryFolder, port: UInt16? = nil
    ) throws -> (port: UInt16, process: ChildProcess) {
        for _ in 0..<5 {
            let chosen = port ?? Loopback.freePort()
            let file = folder.appending("config.yml")
            try write(configuration(options, folder, chosen).utf8, to: file)
            let log = folder.appending("log")
            let process = try ChildProcess(
                ["docker-registry", "serve", file.string], output: log, errorOutput: folder.appending("log-errors"))
            if answers(process, chosen) { return (chosen, process) }
        }
        throw CommandError.notStarted("docker-registry", errno: 0)
    }

    private static func answers(_ process: ChildProcess, _ port: UInt16) -> Bool {
        for _ in 0..<2000 where process.exitStatus == nil {
            if Loopback.accepts(port) { return process.exitStatus == nil }
            usleep(10_000)
        }
        return false
    }

    private static func configuration(_ options: Options, _ folder: TemporaryFolder, _ port: UInt16) -> String {
        var lines = [
            "version: 0.1", "log: {level: error, accesslog: {disabled: true}}", "storage:",
            "  filesystem: {rootdirectory: \(folder.path)/store}", "  delete: {enabled: true}",
            "  cache: {blobdescriptor: inmemory}",
        ]
        if options.login != nil {
            lines += ["auth:", "  htpasswd: {realm: dray, path: \(folder.path)/htpasswd}"]
        }
        // Upload locations are signed with the secret: with a chance one they end with the process.
        lines += ["http:", "  addr: 127.0.0.1:\(port)", "  secret: dray"]
        if options.tls {
            lines += ["  tls:", "    certificate: \(folder.path)/server.pem", "    key: \(folder.path)/server.key"]
            if options.clientCertificates { lines += ["    clientcas: [\(folder.path)/ca.pem]"] }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// A private authority with a server's and a client's certificate, good for a day.
package struct TestCertificates: Sendable {
    /// PEM files.
    package let authority: FilePath
    package let client: FilePath
    package let clientKey: FilePath

    /// Makes them as `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`.
    package init(in folder: TemporaryFolder, names: String) throws {
        authority = folder.appending("ca.pem")
        client = folder.appending("client.pem")
        clientKey = folder.appending("client.key")
        let new = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
        ]
        let made = { (name: String, rest: [String]) throws in
            let files = [
                "-keyout", folder.appending("\(name).key").string, "-out", folder.appending("\(name).pem").string,
            ]
            let result = try run(new + files + ["-subj", "/CN=dray test \(name)"] + rest)
            guard result.status == 0 else { throw CommandError.notStarted("openssl: \(result.errorOutput)", errno: 0) }
        }
        try made("ca", [])
        let signed = ["-CA", authority.string, "-CAkey", folder.appending("ca.key").string]
        let extensions = ["-addext", "basicConstraints=critical,CA:FALSE"]
        try made("server", signed + extensions + ["-addext", "subjectAltName=\(names)"])
        try made("client", signed + extensions)
    }
}
