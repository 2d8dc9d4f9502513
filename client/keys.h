/* SPDX-License-Identifier: PostgreSQL */
/* The terminal's Ed25519 key: a PKCS#8 PEM file of mode 0600 (spec C3). Only keys.c sees the private half. */
#ifndef GS_CLIENT_KEYS_H
#define GS_CLIENT_KEYS_H

#include <stdbool.h>

#include "client/encode.h"
#include "client/error.h"

#define GS_KEY_PUBLIC_TEXT GS_BASE64_SIZE(32)
#define GS_KEY_SIGNATURE_TEXT GS_BASE64_SIZE(64)

/* Opaque: OpenSSL's key. */
typedef struct GsKey GsKey;

/* Loads the key of `path`; *key is NULL and the result 0 when there is no file. LOCAL: unsafe mode, or no Ed25519 key.
 */
__attribute__((warn_unused_result)) int gs_key_load(const char *path, GsKey **key, GsErrorBox *box);

/* Makes one and writes it; never overwrites (CONFLICT when `path` exists). */
__attribute__((warn_unused_result)) int gs_key_create(const char *path, GsKey **key, GsErrorBox *box);

void gs_key_free(GsKey *key);

/* base64url of the raw public key / of the signature over the bytes of `message`. */
__attribute__((warn_unused_result)) int gs_key_public(const GsKey *key, char text[GS_KEY_PUBLIC_TEXT], GsErrorBox *box);
__attribute__((warn_unused_result)) int gs_key_sign(const GsKey *key, const char *message,
													char text[GS_KEY_SIGNATURE_TEXT], GsErrorBox *box);

#endif
