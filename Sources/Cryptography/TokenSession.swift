// SPDX-License-Identifier: Apache-2.0

internal import CPKCS11

/// A session with a token, logged in where the token asks for it. Closed when its owner goes; the last one logs out.
@safe
struct TokenSession: ~Copyable, @unchecked Sendable {  // used by one thread at a time: its owner has a lock
    private let module: TokenModule
    private let handle: CK_SESSION_HANDLE
    private let token: Token

    private var functions: UnsafeMutablePointer<CK_FUNCTION_LIST> { unsafe module.functions }

    /// Opens a session with the only token that fits the URI.
    init(_ module: TokenModule, _ uri: PKCS11URI) throws(TokenError) {
        let seen = try module.tokens()
        let fitting = seen.filter { $0.fits(uri) }
        guard let token = fitting.first else { throw .noToken(seen: seen.map(\.name)) }
        guard fitting.count == 1 else { throw .severalTokens(fitting.map(\.name)) }
        var handle: CK_SESSION_HANDLE = 0
        try check(
            "open a session",
            unsafe module.functions.pointee.C_OpenSession(token.slot, CKF_SERIAL_SESSION, nil, nil, &handle))
        (self.module, self.token, self.handle) = (module, token, handle)
    }

    deinit { _ = unsafe functions.pointee.C_CloseSession(handle) }

    /// Whether the token asks for the PIN on its own keyboard.
    var hasOwnKeyboard: Bool { token.flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0 }

    /// `nil` where nobody has to log in.
    var pinRequest: PINRequest? {
        get throws(TokenError) {
            guard token.flags & CKF_LOGIN_REQUIRED != 0 else { return nil }
            guard token.flags & CKF_USER_PIN_LOCKED == 0 else { throw .locked }
            guard token.flags & CKF_USER_PIN_INITIALIZED != 0 else { throw .pinNotSet }
            return PINRequest(token: token.name, isLastTry: token.triesLeft == .one)
        }
    }

    /// Logs in; without a PIN the token asks for it itself. `user` is `CKU_CONTEXT_SPECIFIC` for a key that wants the PIN
    /// for each signature.
    func logIn(_ user: CK_USER_TYPE, _ pin: Secret?) throws(TokenError) {
        let code =
            if let pin {
                pin.withBytes { bytes in
                    unsafe bytes.withUnsafeBytes { buffer in
                        let start = unsafe UnsafeMutablePointer(
                            mutating: buffer.baseAddress?.assumingMemoryBound(to: UInt8.self))
                        return unsafe functions.pointee.C_Login(handle, user, start, UInt(buffer.count))
                    }
                }
            } else {
                unsafe functions.pointee.C_Login(handle, user, nil, 0)
            }
        switch code {
        case CKR_OK, CKR_USER_ALREADY_LOGGED_IN: return
        case CKR_PIN_INCORRECT: throw .wrongPIN(try module.token(in: token.slot)?.triesLeft ?? .several)
        case CKR_PIN_LOCKED: throw .locked
        case CKR_USER_PIN_NOT_INITIALIZED: throw .pinNotSet
        default: throw .failed("log in", code: code)
        }
    }

    /// The objects that have all of these values, at most 64.
    func objects(_ template: [(CK_ATTRIBUTE_TYPE, [UInt8])]) throws(TokenError) -> [CK_OBJECT_HANDLE] {
        try unsafe withTemplate(template) { pointer, count throws(TokenError) in
            try check("search", unsafe functions.pointee.C_FindObjectsInit(handle, pointer, count))
        }
        defer { _ = unsafe functions.pointee.C_FindObjectsFinal(handle) }
        var found = [CK_OBJECT_HANDLE](repeating: 0, count: 64)
        var count: UInt = 0
        try check("search", unsafe functions.pointee.C_FindObjects(handle, &found, 64, &count))
        return Array(found.prefix(Int(min(count, 64))))
    }

    /// Lends a template whose values live as long as the call.
    @unsafe
    private func withTemplate(
        _ values: [(CK_ATTRIBUTE_TYPE, [UInt8])],
        _ body: (UnsafeMutablePointer<CK_ATTRIBUTE>?, UInt) throws(TokenError) -> Void
    ) throws(TokenError) {
        var bytes = values.flatMap(\.1)
        var failure: TokenError?
        unsafe bytes.withUnsafeMutableBytes { memory in
            var offset = 0
            var attributes = unsafe values.map { type, value in
                defer { offset += value.count }
                return unsafe CK_ATTRIBUTE(
                    type: type, pValue: memory.baseAddress.map { unsafe $0 + offset }, ulValueLen: UInt(value.count))
            }
            unsafe attributes.withUnsafeMutableBufferPointer { buffer in
                do throws(TokenError) { try unsafe body(buffer.baseAddress, UInt(buffer.count)) } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    /// The value of an attribute, at most 4 KiB; `nil` where the object has none or doesn't tell it.
    func value(_ type: CK_ATTRIBUTE_TYPE, of object: CK_OBJECT_HANDLE) throws(TokenError) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: 4096)
        var length: UInt = 0
        let code = unsafe value.withUnsafeMutableBytes { memory in
            var attribute = unsafe CK_ATTRIBUTE(
                type: type, pValue: memory.baseAddress, ulValueLen: UInt(memory.count))
            defer { length = unsafe attribute.ulValueLen }
            return unsafe functions.pointee.C_GetAttributeValue(handle, object, &attribute, 1)
        }
        switch code {
        case CKR_OK: return length <= 4096 ? Array(value.prefix(Int(length))) : nil
        case CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_SENSITIVE, CKR_BUFFER_TOO_SMALL: return nil
        default: throw .failed("read an object", code: code)
        }
    }

    /// A number that an attribute holds.
    func number(_ type: CK_ATTRIBUTE_TYPE, of object: CK_OBJECT_HANDLE) throws(TokenError) -> UInt? {
        guard let bytes = try value(type, of: object), bytes.count == MemoryLayout<UInt>.size else { return nil }
        return bytes.reversed().reduce(0) { $0 << 8 | UInt($1) }
    }

    /// Signs; `pin` for a key that wants it each time. `mechanism` lives as long as the call.
    @unsafe
    func sign(
        _ bytes: [UInt8], _ mechanism: inout CK_MECHANISM, _ key: CK_OBJECT_HANDLE, asksEachTime: Bool, _ pin: Secret?
    ) throws(TokenError) -> [UInt8] {
        try check("sign", unsafe functions.pointee.C_SignInit(handle, &mechanism, key))
        if asksEachTime { try logIn(CK_USER_TYPE(CKU_CONTEXT_SPECIFIC), pin) }
        var input = bytes
        var signature = [UInt8](repeating: 0, count: 2048)
        var count = UInt(signature.count)
        let code = unsafe functions.pointee.C_Sign(handle, &input, UInt(input.count), &signature, &count)
        try check("sign", code)
        return Array(signature.prefix(Int(count)))
    }
}
