// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Set by `scripts/fuzz` alone: instruments every target and adds the fuzz targets, which no other build sees.
let isFuzzing = Context.environment["DRAY_FUZZ"] != nil

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6), .strictMemorySafety(), .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ] + (isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])] : [])

let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// A Swift target with the project's settings; a target made any other way is a defect.
func target(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

/// The tests of one target.
func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.target(name: name), "Support"] + dependencies,
        swiftSettings: settings)
}

let fuzzTargets: [Target] = [
    .systemLibrary(name: "CLibFuzzer", path: "Tests/Fuzz/CLibFuzzer"),
    .executableTarget(
        name: "dray-fuzz",
        dependencies: ["CLibFuzzer", "BundleFormat", "Trust", "Cryptography", "Files", "OCI", systemPackage],
        path: "Tests/Fuzz", exclude: ["CLibFuzzer", "corpus", "metadata.dict", "release.dict", "index.dict"],
        swiftSettings: settings),
]

let package = Package(
    name: "dray",
    products: [
        .executable(name: "dray", targets: ["dray"]),
        .executable(name: "dray-import", targets: ["dray-import"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CPKCS11", providers: [.apt(["libp11-kit-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CLibArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CQREncode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),
        .target(name: "CLinux"),
        .target(name: "CGear", cSettings: [.unsafeFlags(["-O2"])]),

        target("OCI"),
        target("Files", ["CLinux", systemPackage]),
        target("Cryptography", ["COpenSSL", "CPKCS11"]),
        target("Compression", ["CZstd"]),
        target("Cage", ["CLinux", "Compression", "Files", systemPackage]),
        target("Archive", ["CLibArchive", "Files", systemPackage]),
        target("Splitting", ["CGear"]),
        target("Trust", ["Cryptography"]),
        target(
            "BundleFormat",
            ["OCI", "Files", "Cryptography", "Compression", "Cage", "Trust", systemPackage]),
        target(
            "Parity",
            ["OCI", "Files", "Cryptography", "CISAL", "Trust", "BundleFormat", systemPackage]),
        target("RegistryClient", ["OCI", "CCurl"]),
        target("Palette", ["OCI"]),
        target("PaletteSources", ["OCI", "Palette", "Files", "Archive", systemPackage, yams]),
        target(
            "Mirroring",
            ["OCI", "Files", "Cryptography", "Palette", "PaletteSources", "RegistryClient", systemPackage]),
        target(
            "Packing",
            [
                "OCI", "Files", "Cryptography", "Compression", "Archive", "Splitting", "Trust",
                "BundleFormat", "Palette", "PaletteSources", systemPackage,
            ],
            resources: [
                .embedInCode("Resources/README-VERIFY.txt"), .embedInCode("Resources/README-TRUST.txt"),
                .embedInCode("Resources/rescue.py"),
            ]),
        target(
            "Copying",
            [
                "OCI", "Files", "Cryptography", "Splitting", "Trust", "BundleFormat", "CQREncode", systemPackage,
            ]),
        target(
            "Importing",
            [
                "OCI", "Files", "Cryptography", "Cage", "Trust", "BundleFormat", "Parity", "RegistryClient", "Palette",
                systemPackage,
            ]),
        target("CommandLineSupport", ["Cryptography", "Files", systemPackage, argumentParser]),
        .executableTarget(
            name: "dray",
            dependencies: [
                "CommandLineSupport", "Mirroring", "Packing", "Copying", "Importing", "PaletteSources", "BundleFormat",
                "Parity", "Trust",
                "Cryptography", "Files", "OCI", systemPackage, argumentParser,
            ], swiftSettings: settings),
        .executableTarget(
            name: "dray-import",
            dependencies: [
                "CommandLineSupport", "Importing", "BundleFormat", "Parity", "Trust", "Cryptography", "Cage", "Files",
                "OCI",
                "RegistryClient", systemPackage, argumentParser,
            ], swiftSettings: settings),
        .executableTarget(
            name: "dray-tuf-client",
            dependencies: ["Trust", "Cryptography", "RegistryClient", "Files", systemPackage],
            swiftSettings: settings),

        .target(
            name: "Support", dependencies: ["Cryptography", "OCI", systemPackage], path: "Tests/Support",
            swiftSettings: settings),
        .executableTarget(
            name: "zot-stand-in", dependencies: ["Support", systemPackage, argumentParser], path: "Tests/StandIn",
            swiftSettings: settings),
        .executableTarget(
            name: "crypto-probe", dependencies: ["Cryptography", "COpenSSL"], path: "Tests/CryptoProbe",
            swiftSettings: settings),
        .testTarget(
            name: "ZotContractTests", dependencies: ["Support", "Cryptography", "OCI", "zot-stand-in", systemPackage],
            exclude: ["Resources"], swiftSettings: settings),
        tests(
            of: "Importing",
            [
                "BundleFormat", "Cage", "Cryptography", "Files", "OCI", "Packing", "RegistryClient", "Trust",
                "cage-probe",
                "dray-import", systemPackage,
            ]),
        tests(of: "Parity", ["BundleFormat", "Cryptography", "Files", "OCI", "Trust", systemPackage]),
        tests(of: "CommandLineSupport", ["Files", systemPackage]),
        tests(of: "OCI"),
        tests(of: "Files", [systemPackage]),
        tests(of: "Compression", [systemPackage]),
        // What tries to break out of the cage, lies from inside it, or plays an old kernel. Shipped with nothing.
        .executableTarget(name: "cage-probe", dependencies: ["CLinux"], path: "Tests/CageProbe"),
        tests(
            of: "Cage",
            [
                "BundleFormat", "Compression", "Files", "Importing", "OCI", "Packing", "cage-probe", "dray",
                "dray-import",
                systemPackage,
            ]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["dray", "dray-import", "zot-stand-in", "crypto-probe", "Support", systemPackage],
            swiftSettings: settings),
        .testTarget(
            name: "TUFClientTests", dependencies: ["dray-tuf-client", "Support", systemPackage],
            swiftSettings: settings),
        .testTarget(name: "KitTests", dependencies: ["dray", "Support", systemPackage], swiftSettings: settings),
        tests(
            of: "Copying",
            [
                "BundleFormat", "Cryptography", "Files", "OCI", "Packing", "Splitting", "Trust", "dray", "dray-import",
                systemPackage,
            ]),
        tests(
            of: "Packing", ["BundleFormat", "Cryptography", "Files", "OCI", "Trust", systemPackage]),
        tests(
            of: "Mirroring",
            [
                "OCI", "Files", "Cryptography", "PaletteSources", "RegistryClient", "dray", "dray-import",
                systemPackage,
            ]),
        tests(of: "Splitting", ["CGear", systemPackage]),
        tests(of: "Archive", ["Files", systemPackage]),
        tests(of: "Palette", ["OCI"]),
        tests(of: "RegistryClient", ["OCI", "Cryptography", systemPackage]),
        tests(of: "Cryptography", [systemPackage]),
        tests(of: "Trust", ["Cryptography", systemPackage]),
        tests(of: "PaletteSources", ["OCI", "Palette", "Files", "Cryptography", systemPackage]),
        tests(of: "BundleFormat", ["OCI", "Files", "Cryptography", "Compression", "Trust", systemPackage]),
    ] + (isFuzzing ? fuzzTargets : [])
)
