// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Support
import SystemPackage
import Testing

@testable import PaletteSources

@Suite struct PackImagesTests {
    private static func read(_ text: String) -> PackImages { PackImages(values: Array(text.utf8)) }

    @Test func `reads the list, whatever the chart's values are`() {
        let images = PackImagesTests.read(
            """
            # comment
            pack:
              namespace: "hello"
              content:
                images:
                  # pinned
                  - image: quay.io/a/b:v1
                  - {image: 'c@sha256:00', other: 1}
                  - image: "{{.spectro.pack.edge-native-byoi.options.system.uri}}"
                  - name: nothing
                charts: [{repo: x, name: y}]

            # what follows is no YAML before its templates are filled in
            charts:
              a: {{ .Values.a }}
            pack: twice
            """)
        #expect(images.references == ["quay.io/a/b:v1", "c@sha256:00"])
        #expect(
            images.skipped == [
                "values.yaml:16: a second pack: block; only the first is read",
                "values.yaml:10: pack.content.images[3] names no image",
                "\"{{.spectro.pack.edge-native-byoi.options.system.uri}}\" is a template",
            ])
    }

    @Test(arguments: [
        "", "charts: {}\n", "pack:\n  content: {}\n", "pack:\n  content:\n    images:\n", "pack: text\n",
        "packs:\n  a: 1\n",
        "a:\n  pack:\n    content: {images: [{image: a}]}\n",
        "a: |\n  pack:\n    content: {images: [{image: a}]}\n",
    ]) func `a pack without a list has none`(_ text: String) {
        let images = PackImagesTests.read(text)
        #expect(images.references == nil && images.skipped.isEmpty)
    }

    @Test func `an empty list is a list`() {
        #expect(PackImagesTests.read("pack:\n  content:\n    images: []\n").references == [])
    }

    struct Hostile: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String
        init(_ name: String, _ text: String) { (testDescription, self.text) = (name, text) }
    }

    @Test(arguments: [
        Hostile("no list", "pack:\n  content:\n    images: text\n"),
        Hostile("open bracket", "pack:\n  content: [\n"),
        Hostile("open quote", "pack: {content: {images: \"\n"),
        Hostile("alias", "pack:\n  a: &x [1]\n  b: *x\n"),
        Hostile("deep brackets", "pack: " + String(repeating: "[", count: 200_000)),
        Hostile("deep dashes", "pack:\n  " + String(repeating: "- ", count: 200_000)),
        Hostile("key of an alias", "pack: {? *a : 1}\n"),
        Hostile(
            "alias bomb", "pack:\n" + (1..<60).map { "  a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }.joined()),
    ]) func `a list that can't be read is said, and costs little`(_ hostile: Hostile) {
        let images = PackImagesTests.read(hostile.text)
        #expect(images.references == nil && images.skipped.count == 1)
    }

    @Test func `too many entries and too large files are passed over`() {
        let many = PackImagesTests.read(
            "pack:\n content:\n  images: [" + String(repeating: "{},", count: PackImages.maximumCount + 1) + "]\n")
        #expect(many.references == nil && many.skipped.count == 1)
        let templates = PackImagesTests.read(
            "pack:\n content:\n  images:\n" + String(repeating: "  - image: '{{x}}'\n", count: 500))
        #expect(templates.references == [] && templates.skipped.count == 21)
        #expect(PackImages(values: [0xff, 0xfe]).skipped.count == 1)
        #expect(PackImages(tooLarge: 5_000_000).skipped.first?.contains("5000000") == true)
    }
}

@Suite struct PackLayerTests {
    private let folder = TemporaryFolder()

    /// What is found in the file `layer` that shell commands make.
    private func images(_ commands: String) throws -> PackImages? {
        try #require(unsafe system("cd \(folder.path.string) && { \(commands)\n}") == 0)
        let bytes = try folder.appending("layer").contents(limit: 1 << 26)
        let buffer = Buffer(capacity: 1 << 26)
        buffer.append(bytes)
        var isGiven = false
        return try PackLayer.images {
            defer { isGiven = true }
            return isGiven ? nil : buffer
        }
    }

    private static let pack =
        "mkdir -p p-1/charts && echo '{}' > p-1/pack.json && printf 'pack:\\n content:\\n  images: [{image: a/b}]\\n' "
        + "> p-1/values.yaml && cp p-1/values.yaml p-1/charts/ && "

    @Test(arguments: [
        "tar -czf layer p-1", "tar -cf layer p-1", "tar -czf layer -C p-1 .", "tar -cf layer ./p-1",
        "tar -cf layer -C p-1 pack.json values.yaml",
    ]) func `finds the values in a pack's layer`(_ command: String) throws {
        #expect(try images(PackLayerTests.pack + command)?.references == ["a/b"])
    }

    @Test(arguments: [
        "head -c 100000 /dev/urandom > layer", ": > layer", "printf '\\037\\213\\010\\000' > layer",
        "mkdir -p usr && cp p-1/values.yaml usr && tar -czf layer usr",
        "mkdir -p a/b && cp p-1/values.yaml a/b && tar -czf layer a",
        "truncate -s 80M p-1/a && tar --sort=name -czf layer p-1",
        "tar -cf - p-1 | head -c 700 > layer",
        "tar -cf layer.tar p-1 && zstd -qf layer.tar -o layer && truncate -s 60 layer",
    ]) func `anything else holds none`(_ command: String) throws {
        #expect(try images(PackLayerTests.pack + command) == nil)
    }

    @Test func `values of over a MiB aren't read`() throws {
        let found = try images(
            PackLayerTests.pack + "head -c 2000000 /dev/zero >> p-1/values.yaml && tar -cf layer p-1")
        #expect(found?.references == nil && found?.skipped.count == 1)
    }
}
