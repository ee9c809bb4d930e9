// SPDX-License-Identifier: Apache-2.0

internal import CCurl

/// Owns one libcurl handle and the connections it keeps alive. Used by one thread at a time.
@safe
struct EasyHandle: ~Copyable {
    private let curl: UnsafeMutableRawPointer
    /// Where libcurl writes its sentence about a failure.
    private let reason: UnsafeMutablePointer<CChar>

    /// libcurl reads at most this much of a body at once (2 MiB is its limit, and measured no faster than 1 MiB; below,
    /// docker-registry spends more of its own time).
    private static let uploadBuffer = 1 << 20
    /// Bytes a second that even a busy registry takes in when it reads a blob again before it answers.
    private static let slowestDigest: Int64 = 16 << 20

    /// libcurl hands on at most this much of an answer at once; its own 16 KiB cost more calls.
    private static let downloadBuffer = 128 << 10

    /// Bytes a second below which a download is cut; the next attempt goes on where it ended.
    private static let slowestDownload: Int64 = 64 << 10

    /// Seconds; libcurl counts milliseconds in 32 bits.
    private static let longestTimeout = 2_000_000

    private static let isReady = dray_curl_global_init() == CURLE_OK

    init() {
        precondition(EasyHandle.isReady, "libcurl can't start")
        guard let curl = unsafe curl_easy_init() else { preconditionFailure("libcurl: out of memory") }
        unsafe self.curl = curl
        unsafe reason = .allocate(capacity: Int(CURL_ERROR_SIZE))
    }

    deinit {
        unsafe curl_easy_reset(curl)  // forgets the callbacks: their transfer is gone
        unsafe curl_easy_cleanup(curl)
        unsafe reason.deallocate()
    }

    /// Sends a request and waits for its whole answer.
    func perform(
        _ request: Request, _ transfer: Transfer, _ options: RegistryOptions
    ) throws(TransferFailure) -> Response {
        guard !transfer.isCancelled else { throw .cancelled }
        unsafe curl_easy_reset(curl)  // keeps connections, TLS sessions and the name cache
        unsafe reason[0] = 0
        setNetwork(options, request, size: max(transfer.size, request.digestedBytes))
        setTLS(options, request)
        setCallbacks(transfer)
        var headers = HeaderList()
        for (name, value) in request.headers { headers.append("\(name): \(value)") }
        set(request, size: transfer.size, &headers)
        let code = withExtendedLifetime(transfer) { unsafe dray_curl_perform(curl) }
        withExtendedLifetime(headers) {}  // libcurl reads the list while it sends
        return try result(code, transfer)
    }

    /// Connects, sends nothing, and gives what libcurl says of each certificate that it is shown, that of the server
    /// first. The registry's options must check no certificate and show none.
    func certificates(of registry: Registry) throws(TransferFailure) -> [[String]] {
        let request = Request(method: "GET", url: registry.endpoint.origin, answerLimit: 0)
        let transfer = try Transfer(request, registry)
        unsafe curl_easy_reset(curl)
        unsafe reason[0] = 0
        setNetwork(registry.options, request, size: 0)
        setTLS(registry.options, request)
        setCallbacks(transfer)
        set(CURLOPT_URL, request.url)
        set(CURLOPT_CERTINFO, 1)
        set(CURLOPT_CONNECT_ONLY, 1)
        let code = withExtendedLifetime(transfer) { unsafe dray_curl_perform(curl) }
        _ = try result(code, transfer)
        return shownCertificates()
    }

    private func shownCertificates() -> [[String]] {
        guard let list = unsafe dray_curl_certificates(curl) else { return [] }
        return unsafe (0..<Int(list.pointee.num_of_certs)).map { index in
            var (lines, next) = unsafe ([String](), list.pointee.certinfo[index])
            while let line = unsafe next {
                unsafe lines.append(String(cString: line.pointee.data))
                unsafe next = line.pointee.next
            }
            return lines
        }
    }

    private func result(_ code: CURLcode, _ transfer: Transfer) throws(TransferFailure) -> Response {
        if let failure = transfer.failure { throw failure }
        var status = 0
        var retryAfter: curl_off_t = 0
        unsafe dray_curl_get_long(curl, CURLINFO_RESPONSE_CODE, &status)
        unsafe dray_curl_get_offset(curl, CURLINFO_RETRY_AFTER, &retryAfter)
        // A registry that refuses a body early may hang up while we still send: its answer counts, not the reset.
        guard code == CURLE_OK || code == CURLE_SEND_ERROR && status >= 400 else {
            let text = unsafe String(cString: reason)
            throw .transport(code, reason: Fault.printable(text.isEmpty ? code.text : text))
        }
        return transfer.finish(status: status, retryAfter: retryAfter > 0 ? .seconds(retryAfter) : nil)
    }
}

// What is set before each request.
extension EasyHandle {
    private func setNetwork(_ options: RegistryOptions, _ request: Request, size: Int64) {
        set(CURLOPT_NOSIGNAL, 1)
        unsafe dray_curl_set_pointer(curl, CURLOPT_ERRORBUFFER, reason)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        setProxy(options)
        set(CURLOPT_USERAGENT, "dray")
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_CONNECTTIMEOUT, request.isCleanUp ? 5 : 30)
        let patience = options.stallSeconds + Int(size / EasyHandle.slowestDigest)
        set(CURLOPT_LOW_SPEED_LIMIT, Int(options.lowestSpeed))
        set(CURLOPT_LOW_SPEED_TIME, patience)
        set(CURLOPT_UPLOAD_BUFFERSIZE, EasyHandle.uploadBuffer)
        guard size == 0 else {
            // Bytes that come in bursts, just often enough, have an end too.
            let seconds = patience + Int(clamping: size / options.lowestSpeed)
            return set(CURLOPT_TIMEOUT, min(seconds, EasyHandle.longestTimeout))
        }
        if let sink = request.sink {
            set(CURLOPT_BUFFERSIZE, EasyHandle.downloadBuffer)
            let seconds = 5 * options.stallSeconds + Int(sink.size / EasyHandle.slowestDownload)
            set(CURLOPT_TIMEOUT, min(seconds, EasyHandle.longestTimeout))
            return
        }
        // Small requests have an end, however slowly the answer drips.
        set(CURLOPT_TIMEOUT, request.isCleanUp ? 10 : 5 * options.stallSeconds)
    }

    // Never from the environment, and then for every host.
    private func setProxy(_ options: RegistryOptions) {
        let proxy = options.proxy
        if let file = options.proxyCertificate { set(CURLOPT_PROXY_CAINFO, file) }
        set(CURLOPT_PROXY, proxy.map { "\($0.scheme.rawValue)://\($0.bracketedHost):\($0.port)" } ?? "")
        set(CURLOPT_NOPROXY, proxy == nil ? "*" : "")
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    }

    private func setTLS(_ options: RegistryOptions, _ request: Request) {
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let rules = options.tls {
            set(CURLOPT_SSL_EC_CURVES, rules.curves)
            set(CURLOPT_SSL_CIPHER_LIST, rules.suites12)
            set(CURLOPT_TLS13_CIPHERS, rules.suites13)
        }
        if let file = request.isOurs ? options.caCertificate : options.tokenHostCertificate {
            set(CURLOPT_CAINFO, file)
            unsafe dray_curl_set_string(curl, CURLOPT_CAPATH, nil)  // the system's authorities don't count then
        }
        if request.isOurs, let certificate = options.clientCertificate {
            set(CURLOPT_SSLCERT, certificate)
            set(CURLOPT_SSLKEY, options.clientKey ?? certificate)
        }
        guard options.skipTLSVerify && request.isOurs else { return }
        set(CURLOPT_SSL_VERIFYPEER, 0)
        set(CURLOPT_SSL_VERIFYHOST, 0)
    }

    private func set(_ request: Request, size: Int64, _ headers: inout HeaderList) {
        set(CURLOPT_URL, request.url)
        switch request.content {
        case .none where request.method == "HEAD": set(CURLOPT_NOBODY, 1)
        case .none where request.method == "GET": set(CURLOPT_HTTPGET, 1)
        case .none: setFields([], method: request.method)
        case .bytes(let bytes): setFields(bytes, method: request.method)
        case .stream:
            set(CURLOPT_UPLOAD, 1)
            set(CURLOPT_CUSTOMREQUEST, request.method)
            unsafe dray_curl_set_offset(curl, CURLOPT_INFILESIZE_LARGE, curl_off_t(size))
        }
        headers.append("Expect:")  // or libcurl waits up to a second for a 100
        if !request.headers.contains(where: { $0.name == "Content-Type" }) { headers.append("Content-Type:") }
        unsafe dray_curl_set_pointer(curl, CURLOPT_HTTPHEADER, headers.first)
    }

    // A body that libcurl copies; its length is always sent, 0 too.
    private func setFields(_ bytes: [UInt8], method: String) {
        set(CURLOPT_POST, 1)
        unsafe dray_curl_set_offset(curl, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count))
        unsafe bytes.withUnsafeBytes { memory in
            let start = unsafe UnsafeMutableRawPointer(mutating: memory.baseAddress)
            unsafe dray_curl_set_pointer(curl, CURLOPT_COPYPOSTFIELDS, start)
        }
        if bytes.isEmpty { set(CURLOPT_COPYPOSTFIELDS, "") }
        set(CURLOPT_CUSTOMREQUEST, method)
    }

    private func setCallbacks(_ transfer: Transfer) {
        let context = unsafe Unmanaged.passUnretained(transfer).toOpaque()
        for option in [CURLOPT_READDATA, CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_XFERINFODATA] {
            unsafe dray_curl_set_pointer(curl, option, context)
        }
        set(CURLOPT_NOPROGRESS, 0)
        unsafe dray_curl_set_bytes_callback(curl, CURLOPT_READFUNCTION) { start, width, count, context in
            guard let context = unsafe context else { return Int(CURL_READFUNC_ABORT) }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return unsafe transfer.fill(UnsafeMutableRawBufferPointer(start: start, count: width * count))
                ?? Int(CURL_READFUNC_ABORT)
        }
        unsafe dray_curl_set_bytes_callback(curl, CURLOPT_HEADERFUNCTION) { start, width, count, context in
            guard let context = unsafe context else { return 0 }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            let line = unsafe UnsafeRawBufferPointer(start: start, count: width * count)
            return unsafe transfer.takeHeader(line) ? width * count : 0
        }
        unsafe dray_curl_set_bytes_callback(curl, CURLOPT_WRITEFUNCTION) { start, width, count, context in
            guard let context = unsafe context else { return 0 }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            let bytes = unsafe UnsafeRawBufferPointer(start: start, count: width * count)
            guard unsafe transfer.takeBody(bytes) else { return width * count == 0 ? 1 : 0 }
            return width * count
        }
        unsafe dray_curl_set_progress_callback(curl) { context, _, _, _, _ in
            guard let context = unsafe context else { return 1 }
            return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().goesOn() ? 0 : 1
        }
    }

    private func set(_ option: CURLoption, _ value: Int) {
        let code = unsafe dray_curl_set_long(curl, option, value)
        precondition(code == CURLE_OK, "libcurl refuses option \(option.rawValue): \(code.text)")
    }

    private func set(_ option: CURLoption, _ value: String) {
        let code = unsafe dray_curl_set_string(curl, option, value)
        precondition(code == CURLE_OK, "libcurl refuses option \(option.rawValue): \(code.text)")
    }
}

extension CURLcode {
    /// libcurl's own words.
    fileprivate var text: String { unsafe String(cString: curl_easy_strerror(self)) }
}

/// Owns a list of header lines.
@safe
private struct HeaderList: ~Copyable {
    private(set) var first: UnsafeMutablePointer<curl_slist>?

    // Without control characters: a media type that holds a line end must not become a header of its own.
    mutating func append(_ text: String) {
        let line = String(decoding: text.utf8.filter { $0 >= 0x20 && $0 != 0x7F }, as: UTF8.self)
        guard let longer = unsafe curl_slist_append(first, line) else { preconditionFailure("libcurl: out of memory") }
        unsafe first = longer
    }

    deinit { unsafe curl_slist_free_all(first) }
}
