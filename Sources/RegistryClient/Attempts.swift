// SPDX-License-Identifier: Apache-2.0

/// Counts the attempts at one thing that makes no progress, and waits between them.
struct Attempts {
    private let registry: Registry
    private let limit: Int
    private var count = 0
    /// What all since the first one took, waits included.
    private var spent = Duration.zero
    private var begin = ContinuousClock.now

    /// `limit`: a smaller number of attempts than the policy's.
    init(_ registry: Registry, limit: Int = .max) { (self.registry, self.limit) = (registry, limit) }

    /// Waits before the next attempt. Throws `error` after the last one, `askedToWait` where the registry asks for more
    /// than anybody waits for, and `cancelled`.
    mutating func wait(after error: RegistryError, _ retryAfter: Duration?) throws(RegistryError) {
        let policy = registry.options.retry
        if let retryAfter, retryAfter > policy.longestRequestedDelay { throw error.asking(for: retryAfter) }
        count += 1
        if count > 1 { spent += .now - begin }  // the first may have sent gigabytes before it failed
        guard mayGoOn(after: error, policy) else { throw error }
        registry.count { $0.retries += 1 }
        let delay = policy.delay(after: count, retryAfter: retryAfter, jitter: .random(in: 0..<1))
        let pause = error.status == 429 && retryAfter != nil ? registry.pause(for: delay) : nil
        guard policy.wait(delay, unless: registry.options.isCancelled) else { throw .cancelled }
        if let pause { registry.endPause(pause) }
        spent += delay
        begin = .now
    }

    private func mayGoOn(after error: RegistryError, _ policy: RetryPolicy) -> Bool {
        guard count < min(policy.attempts, limit) else { return false }
        if case .redirectRefused = error { return count < 3 }
        if case .unreachable = error, !registry.hasAnswered { return count < policy.unansweredAttempts }
        return count < policy.fewestAttempts || error.status != 500 && spent < policy.patience
    }
}

extension RegistryError {
    /// Of an answer that may pass.
    fileprivate var status: Int? {
        guard case .unavailable(_, let status, _) = self else { return nil }
        return status
    }

    fileprivate func asking(for delay: Duration) -> RegistryError {
        guard case .unavailable(let line, let status, _) = self else { return self }
        return .askedToWait(line, status: status, seconds: delay.components.seconds)
    }
}
