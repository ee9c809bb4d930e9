// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Support

/// Keys of kinds that the product doesn't make, from openssl.
enum OtherKey {
    static func publicPEM(_ algorithm: String) throws -> String {
        let shell = Shell()
        shell.run(
            "openssl genpkey -algorithm \(algorithm) -out key.pem && openssl pkey -in key.pem -pubout -out public.pem")
        return String(decoding: try shell.read("public.pem"), as: UTF8.self)
    }

    static func rsa() throws -> PrivateKey {
        let shell = Shell()
        shell.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem")
        return try PrivateKey(pem: try shell.read("key.pem"))
    }
}
