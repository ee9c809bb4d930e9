// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// When a request that failed for a passing reason is sent again.
package struct RetryPolicy: Sendable {
    /// How long something is tried again without progress: a registry's pod takes 30 to 60 s to start again.
    package var patience = Duration.seconds(120)
    /// How often it is tried at least, however long that takes, and at most where the registry runs and answers 500.
    package var fewestAttempts = 5
    /// How often it is tried at most, the first time included.
    package var attempts = Int.max
    /// How often it is tried at most where no answer of any kind ever came: a wrong address should be noticed soon.
    package var unansweredAttempts = 3
    /// The longest wait before the second attempt; each further one doubles it.
    package var firstDelay = Duration.milliseconds(200)
    /// The longest wait of our own.
    package var longestDelay = Duration.seconds(10)
    /// The longest wait that a registry can ask for with `Retry-After`; where it asks for more, nothing is tried again.
    package var longestRequestedDelay = Duration.seconds(300)
    /// How time passes; waits come in slices of at most 100 ms.
    package var sleep: @Sendable (Duration) -> Void = RetryPolicy.sleepForReal

    package init() {}

    /// The wait after `attempt` attempts (1 or more). `jitter` in 0..<1 spreads clients over the upper half of the wait,
    /// so that those refused together don't come back together. A registry's own wish is kept as it is.
    package func delay(after attempt: Int, retryAfter: Duration?, jitter: Double) -> Duration {
        let backoff = firstDelay * (1 << min(max(attempt - 1, 0), 20))
        let spread = min(backoff, longestDelay) * (0.5 + 0.5 * jitter)
        return max(spread, retryAfter ?? .zero)
    }

    /// Waits in slices; `false` as soon as `isCancelled` says so.
    func wait(_ delay: Duration, unless isCancelled: () -> Bool) -> Bool {
        RetryPolicy.wait(delay, sleep) { !isCancelled() }
    }

    /// Waits in slices while `goesOn` says so, on the machine's clock whatever the policy; `false` when it doesn't.
    static func waitForReal(_ delay: Duration, while goesOn: () -> Bool) -> Bool {
        wait(delay, sleepForReal, goesOn)
    }

    private static func wait(_ delay: Duration, _ sleep: (Duration) -> Void, _ goesOn: () -> Bool) -> Bool {
        var left = delay
        while goesOn() {
            guard left > .zero else { return true }
            let slice = min(left, .milliseconds(100))
            sleep(slice)
            left -= slice
        }
        return false
    }

    private static func sleepForReal(_ delay: Duration) {
        _ = usleep(UInt32(delay / .microseconds(1)))
    }
}
