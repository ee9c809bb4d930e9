// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing

@Suite struct PKCS11URITests {
    @Test func `reads what RFC 7512 writes`() throws {
        let uri = try PKCS11URI(
            "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.;serial=1;model=1.0;slot-id=327"
                + ";object=my-certificate;type=private;id=%69%95%3E%5C%F4%BD%EC%91"
                + "?module-path=/usr/lib/p.so&pin-source=file:/etc/token_pin")
        #expect(uri.token == "Software PKCS#11 softtoken")
        #expect(uri.manufacturer == "Snake Oil, Inc.")
        #expect(uri.serial == "1")
        #expect(uri.model == "1.0")
        #expect(uri.slotID == 327)
        #expect(uri.object == "my-certificate")
        #expect(uri.id == [0x69, 0x95, 0x3e, 0x5c, 0xf4, 0xbd, 0xec, 0x91])
        #expect(uri.modulePath == "/usr/lib/p.so")
        #expect(uri.pinFile == "/etc/token_pin")
    }

    @Test(arguments: ["file:///run/pin", "file:/run/pin", "/run/pin"])
    func `takes the PIN's file in each of its forms`(_ text: String) throws {
        #expect(try PKCS11URI("PKCS11:object=a?pin-source=\(text)").pinFile == "/run/pin")
    }

    @Test(arguments: [
        ("pkcs12:token=a", "begins with"), ("pkcs11:", "neither a token nor an object"),
        ("pkcs11:?pin-source=file:/a", "neither"), ("pkcs11:token", "name=value"), ("pkcs11:token=%4", "name=value"),
        ("pkcs11:token=%+1", "name=value"), ("pkcs11:token=%zz", "name=value"),
        ("pkcs11:token=a;token=b", "stands twice"),
        ("pkcs11:token=a;type=public", "type is"), ("pkcs11:token=a;slot-id=-1", "slot-id"),
        ("pkcs11:token=a;x-vendor=1", "not supported"), ("pkcs11:token=a?module-name=b", "not supported"),
        ("pkcs11:token=a?pin-source=|cat%20/etc/pin", "pin-source"), ("pkcs11:token=a?pin-source=pin", "pin-source"),
        ("pkcs11:token=a?pin-value=1234", "pin-value would show"),
        ("pkcs11:token=" + String(repeating: "a", count: 5000), "begins with"),
    ]) func `refuses`(_ text: String, _ reason: String) throws {
        let error = #expect(throws: KeyError.self) { try PKCS11URI(text) }
        #expect(error?.description.contains(reason) == true)
        #expect(error?.description.contains("1234") == false, "an error must not repeat a PIN")
    }

    @Test func `shows no control characters of a token or URI`() throws {
        let error = #expect(throws: KeyError.self) { try PKCS11URI("pkcs11:\u{1B}[2Jx\u{202E}=a") }
        #expect(error?.description.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{202E}" } == false)
    }
}
