// SPDX-License-Identifier: Apache-2.0

package import RegistryClient
package import Trust

extension ShownCertificate {
    /// The end of its life; `nil` where `notAfter` is no time as OpenSSL writes it (ASN1_TIME_print).
    package var end: UTCTime? {
        let words = notAfter.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard words.count == 5, words[4] == "GMT", let month = months.firstIndex(of: String(words[0])) else {
            return nil
        }
        let padded = { (text: String) in text.count == 1 ? "0" + text : text }
        return UTCTime("\(words[3])-\(padded("\(month + 1)"))-\(padded(String(words[1])))T\(words[2])Z")
    }

    /// Whether its life has ended, as far as that can be read.
    package func isExpired(at now: UTCTime) -> Bool { end.map { $0 < now } ?? false }
}
