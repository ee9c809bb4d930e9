// SPDX-License-Identifier: Apache-2.0

/// The version of both tools, as `--version` prints it and receipts record it.
package let toolVersion = "0.1.0"
