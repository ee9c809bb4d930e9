// SPDX-License-Identifier: Apache-2.0

package import Files

/// What a command that ran to its end has to say.
package struct Outcome {
    /// The result for people, without a final newline.
    package var text: String
    /// The same for programs.
    package var data: any Encodable
    /// What else the user should know, for standard error.
    package var warnings: [String] = []
    /// What to do next, a line each: commands that run as they are, and text, which begins with `# `.
    package var next: [String] = []
    /// Set when the work was done and what it found is a failure, as `verify` does with damage.
    package var failure: Failure?

    package init(
        text: String, data: any Encodable, warnings: [String] = [], next: [String] = [], failure: Failure? = nil
    ) {
        (self.text, self.data, self.warnings, self.next) = (text, data, warnings, next)
        self.failure = failure
    }
}

/// An error of a run that has left a receipt.
package protocol ReceiptedError: ClassifiedError {
    /// The receipt's path; `nil` where none could be written.
    var receiptFile: String? { get }
    /// The description without the lines about the receipt.
    var reason: String { get }
}

/// A wrong use of a command that only shows while it runs.
package struct UsageError: ClassifiedError, Equatable {
    package let description: String
    package var failure: Failure { .usage }

    package init(_ description: String) { self.description = description }
}
