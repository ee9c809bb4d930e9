// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files

extension Label {
    /// A page of A4 or A6 that needs nothing else: no script, no font, no picture from elsewhere.
    func sheet(_ number: Int, _ items: [CopyItem]) -> String {
        let head = facts.map { "<tr><th>\($0.0)</th><td>\($0.1.escaped)</td></tr>" }.joined(separator: "\n")
        let list = rows(items).map { row in
            "<tr><td>\(row.name.escaped)<br><code>\(row.digest)</code></td><td class=\"n\">\(row.bytes)</td></tr>"
        }.joined(separator: "\n")
        let total = ByteSize(bytes: items.reduce(0) { $0 + $1.length })
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title(number)), \(facts[0].1.escaped)</title>
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <style>
            @page { margin: 6mm }
            body { font: 9pt/1.35 sans-serif; color: #000; background: #fff; max-width: 180mm; margin: 4mm auto; padding: 0 4mm }
            h1 { font-size: 17pt; margin: 0 0 2mm; border-bottom: 1.5pt solid #000 }
            h2 { font-size: 10pt; margin: 4mm 0 1mm }
            .top { display: flex; gap: 4mm; align-items: flex-start }
            .top table { flex: 1 } .top svg { width: 34mm; min-width: 34mm }
            table { border-collapse: collapse; width: 100% }
            th, td { text-align: left; vertical-align: top; padding: .6mm 2mm .6mm 0; overflow-wrap: anywhere }
            th { font-weight: normal; color: #444 } .top th { width: 14mm }
            .list td { border-top: .4pt solid #888 } .n { text-align: right; white-space: nowrap; padding-right: 0 }
            code { font: 7pt/1.3 monospace; overflow-wrap: anywhere }
            .seal { display: flex; gap: 4mm; margin-top: 6mm } .seal span { flex: 1; border-top: .6pt solid #000; padding-top: .5mm }
            tr, .seal { break-inside: avoid }
            </style></head><body>
            <h1>\(title(number))</h1>
            <div class="top"><table>
            \(head)
            </table>\(QRCode(code)?.svg ?? "")</div>
            <h2>On this medium: \(items.count) of \(source.items.count) files, \(total)</h2>
            <table class="list">
            <tr><th>file, SHA-256</th><th class="n">bytes</th></tr>
            \(list)
            </table>
            <p>\(others(items)) The small files (trust, index, kit) stand on every medium.</p>
            <p>\(Label.advice.joined(separator: " ").escaped)</p>
            <p>The QR code says: <code>\(code.escaped)</code></p>
            <div class="seal"><span>Seal number</span><span>Date</span><span>Signature</span></div>
            </body></html>

            """
    }
}

extension String {
    /// As text of HTML.
    fileprivate var escaped: String {
        var text = ""
        for character in self {
            switch character {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            default: text.append(character)
            }
        }
        return text
    }
}
