/* SPDX-License-Identifier: PostgreSQL */
/* The TLS side: one SSL_CTX a worker, made anew at HUP. */
#ifndef GS_TLS_H
#define GS_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdbool.h>
#include <time.h>

#include "daemon/settings.h"

/* NULL on failure with the reason in `error`. */
SSL_CTX *gs_tls_context(const GsCommonSettings *settings, char *error, size_t error_size);
/* When the certificate of the context expires, seconds since 1970; 0 when unknown. */
time_t gs_tls_expiry(SSL_CTX *context);
/* The peer chose h2 by ALPN? */
bool gs_tls_is_h2(const SSL *ssl);
/* The first queued OpenSSL error as text; empties the queue. */
void gs_tls_error(char *text, size_t size);

#endif
