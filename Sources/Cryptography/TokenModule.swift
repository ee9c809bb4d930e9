// SPDX-License-Identifier: Apache-2.0

internal import CPKCS11
internal import Glibc

/// A PKCS #11 module, loaded and initialised. It stays loaded as long as the process: modules survive neither being unloaded
/// nor being initialised twice well.
@safe
struct TokenModule: @unchecked Sendable {  // the table is constant, and the module locks by itself
    /// p11-kit's collection of all the modules that the machine has configured.
    static let standardPath = "p11-kit-proxy.so"

    let functions: UnsafeMutablePointer<CK_FUNCTION_LIST>

    init(path: String) throws(TokenError) {
        guard let handle = unsafe dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            throw .moduleUnusable(path, why: unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown")
        }
        guard let symbol = unsafe dlsym(handle, "C_GetFunctionList") else {
            throw .moduleUnusable(path, why: "it is a library, but no PKCS #11 module")
        }
        let give = unsafe unsafeBitCast(symbol, to: (@convention(c) (UnsafeMutableRawPointer) -> CK_RV).self)
        var table: UnsafeMutablePointer<CK_FUNCTION_LIST>?
        let code = unsafe withUnsafeMutablePointer(to: &table) { unsafe give(UnsafeMutableRawPointer($0)) }
        guard code == CKR_OK, let table = unsafe table else {
            throw .moduleUnusable(path, why: "it gives no functions, error \(code)")
        }
        unsafe functions = table
        try initialize(path)
    }

    private func initialize(_ path: String) throws(TokenError) {
        var arguments = unsafe CK_C_INITIALIZE_ARGS()
        unsafe arguments.flags = CKF_OS_LOCKING_OK
        let code = unsafe functions.pointee.C_Initialize(&arguments)
        guard code == CKR_OK || code == CKR_CRYPTOKI_ALREADY_INITIALIZED else {
            throw .moduleUnusable(path, why: "\(TokenError.failed("start", code: code))")
        }
    }

    /// The tokens that are present, at most 256.
    func tokens() throws(TokenError) -> [Token] {
        var count: UInt = 0
        try check("list slots", unsafe functions.pointee.C_GetSlotList(CK_BBOOL(CK_TRUE), nil, &count))
        count = min(count, 256)
        var slots = [CK_SLOT_ID](repeating: 0, count: Int(count))
        try check("list slots", unsafe functions.pointee.C_GetSlotList(CK_BBOOL(CK_TRUE), &slots, &count))
        var tokens: [Token] = []
        for slot in slots.prefix(Int(count)) {
            guard let token = try token(in: slot), token.isInitialized else { continue }
            tokens.append(token)
        }
        return tokens
    }

    /// The token in a slot; `nil` when it has just been removed, or isn't one that this module knows.
    func token(in slot: CK_SLOT_ID) throws(TokenError) -> Token? {
        var info = CK_TOKEN_INFO()
        let code = unsafe functions.pointee.C_GetTokenInfo(slot, &info)
        if code == CKR_TOKEN_NOT_PRESENT || code == CKR_TOKEN_NOT_RECOGNIZED { return nil }
        try check("describe a token", code)
        return Token(slot: slot, info)
    }
}

func check(_ operation: String, _ code: CK_RV) throws(TokenError) {
    guard code == CKR_OK else { throw .failed(operation, code: code) }
}

/// What a token says about itself.
struct Token {
    let slot: CK_SLOT_ID
    let label: String
    let manufacturer: String
    let model: String
    let serial: String
    let flags: CK_FLAGS

    init(slot: CK_SLOT_ID, _ info: CK_TOKEN_INFO) {
        (self.slot, flags) = (slot, info.flags)
        label = Token.text(info.label)
        manufacturer = Token.text(info.manufacturerID)
        model = Token.text(info.model)
        serial = Token.text(info.serialNumber)
    }

    /// A fixed array of characters, filled up with spaces.
    private static func text<Field: BitwiseCopyable>(_ field: Field) -> String {
        unsafe withUnsafeBytes(of: field) { bytes in
            let end = unsafe bytes.lastIndex { $0 != UInt8(ascii: " ") && $0 != 0 }.map { $0 + 1 } ?? 0
            return unsafe String(decoding: bytes[..<end], as: UTF8.self)
        }
    }

    var isInitialized: Bool { flags & CKF_TOKEN_INITIALIZED != 0 }

    /// The token as an error names it.
    var name: String { "\(TokenError.shown(label)) (serial \(TokenError.shown(serial)))" }

    func fits(_ uri: PKCS11URI) -> Bool {
        uri.token ?? label == label && uri.manufacturer ?? manufacturer == manufacturer && uri.model ?? model == model
            && uri.serial ?? serial == serial && uri.slotID ?? slot == slot
    }

    var triesLeft: TokenError.TriesLeft {
        if flags & CKF_USER_PIN_LOCKED != 0 { return .none }
        if flags & CKF_USER_PIN_FINAL_TRY != 0 { return .one }
        return flags & CKF_USER_PIN_COUNT_LOW != 0 ? .few : .several
    }
}

/// Which PIN is wanted: what a question to a person says.
package struct PINRequest: Sendable {
    /// The token's label and serial number.
    package let token: String
    /// Another wrong PIN locks the token.
    package let isLastTry: Bool
}
