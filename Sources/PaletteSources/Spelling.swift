// SPDX-License-Identifier: Apache-2.0

/// The word that `text` was probably meant to be: at most two letters away, and fewer than it has.
func closest(to text: String, among words: [String]) -> String? {
    guard text.count <= 40 else { return nil }
    let candidates = words.map { (word: $0, distance: distance(text.lowercased(), $0.lowercased())) }
    guard let best = candidates.min(by: { $0.distance < $1.distance }), best.distance <= 2, best.distance < text.count
    else { return nil }
    return best.word
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to make one text of the other
/// (optimal string alignment).
private func distance(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first), Array(second))
    var rows = [Array(0...second.count)]
    for i in 0..<first.count {
        var row = [i + 1]
        for j in 0..<second.count {
            var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (first[i] == second[j] ? 0 : 1))
            if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                best = min(best, rows[i - 1][j - 1] + 1)
            }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[first.count][second.count]
}
