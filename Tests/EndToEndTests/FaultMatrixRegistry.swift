// SPDX-License-Identifier: Apache-2.0

import Support
import Synchronization
import SystemPackage

/// A registry in a process of its own, which can be killed and started again on the same folder and port.
enum CutRegistry: String, CaseIterable {
    case zot, docker

    func start() throws -> RunningCutRegistry {
        switch self {
        case .zot: .zot(try StandInProcess())
        case .docker: .docker(try RegistryServer())
        }
    }
}

enum RunningCutRegistry {
    case zot(StandInProcess)
    case docker(RegistryServer)

    var port: UInt16 {
        switch self {
        case .zot(let process): process.port
        case .docker(let server): server.port
        }
    }

    func kill() {
        switch self {
        case .zot(let process): process.kill()
        case .docker(let server): server.kill()
        }
    }

    func restart() throws {
        switch self {
        case .zot(let process): try process.restart()
        case .docker(let server): try server.restart()
        }
    }

    /// All that is stored of the release, as lines: blobs with whether their bytes have their digest, and what tags point at.
    /// The site's own evidence, of which each load adds more, is left out.
    func content() throws -> String { try sh(contentScript).output }

    /// Upload sessions that are open on disk.
    func sessions() throws -> [String] {
        let line =
            switch self {
            case .zot(let process): "cd \(process.folder.path); find . -path '*/.uploads/*' -type f"
            case .docker(let server):
                "cd \(server.folder.path)/store; find . -path '*/_uploads/*' -mindepth 1 -name '*-*-*-*-*' -type d"
            }
        return try sh(line).output.split(separator: "\n").map(String.init).sorted()
    }

    private var contentScript: String {
        switch self {
        case .zot(let process):
            """
            cd \(process.folder.path)
            find . -path '*/dray/site' -prune -o -path '*/blobs/sha256/*' -type f -print0 | sort -z | xargs -0 -r sha256sum \
              | awk '{n = split($2, p, "/"); print $2, (p[n] == $1 ? "whole" : "damaged")}'
            for f in $(find . -path '*/dray/site' -prune -o -name index.json -print | sort); do echo $f
              jq -c '.manifests | map([.annotations["org.opencontainers.image.ref.name"], .digest, .mediaType, .size]) | sort[]' $f
            done
            """
        case .docker(let server):
            """
            cd \(server.folder.path)/store/docker/registry/v2
            links=$(find repositories -path '*/dray/site' -prune -o \
              -name link -not -path '*/index/*' -not -path '*/_uploads/*' -print | sort)
            find blobs -name data -print0 | sort -z | xargs -0 -r sha256sum \
              | awk '{n = split($2, p, "/"); print $2, (p[n-1] == $1 ? "whole" : "damaged")}' \
              | grep -F -f <(for f in $links; do sed 's/^sha256://' $f; echo; done | sort -u | sed '/^$/d') || true
            for f in $links; do echo $f $(cat $f); done
            """
        }
    }
}

/// The stand-in of Zot as a process.
final class StandInProcess: Sendable {
    let folder = TemporaryFolder()
    let port = Loopback.freePort()
    private let output = TemporaryFolder()
    private let process = Mutex<ChildProcess?>(nil)

    init() throws { try restart() }

    deinit { kill() }

    func kill() {
        process.withLock { process in
            process?.kill()
            process = nil
        }
    }

    func restart() throws {
        kill()
        let started = try ChildProcess(
            [SourceTree.tool("zot-stand-in").string, "--folder", folder.path.string, "--port", "\(port)"],
            output: output.appending("out"), errorOutput: output.appending("err"))
        while started.exitStatus == nil {
            guard !Loopback.accepts(port) else { return process.withLock { $0 = started } }
            _ = started.wait(seconds: 0.005)
        }
        throw CommandError.notStarted("zot-stand-in", errno: 0)
    }
}
