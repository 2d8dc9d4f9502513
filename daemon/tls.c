/* SPDX-License-Identifier: PostgreSQL */
/*
 * TLS 1.2 and newer for HTTP/2 (RFC 9113, 9.2): no renegotiation, no compression, for 1.2 only ECDHE with AEAD, and
 * ALPN "h2": a client that offers other protocols only is refused in the handshake (no_application_protocol).
 */
#include "daemon/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

/* AES-128 first: as good for this as AES-256, and a fifth faster. */
static const char TLS12_CIPHERS[] = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char TLS13_SUITES[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

void gs_tls_error(char *text, size_t size)
{
	unsigned long code = ERR_get_error();

	if (code == 0)
		snprintf(text, size, "unknown error");
	else
		ERR_error_string_n(code, text, size);
	ERR_clear_error();
}

static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
						   unsigned in_size, void *arg)
{
	static const unsigned char h2[] = {2, 'h', '2'};

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)out, out_size, h2, sizeof(h2), in, in_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static bool context_configure(SSL_CTX *context)
{
	/* RELEASE_BUFFERS: an idle connection holds no record buffers */
	SSL_CTX_set_mode(context,
					 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
									 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets only: no memory a client */
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		   SSL_CTX_set_cipher_list(context, TLS12_CIPHERS) == 1 && SSL_CTX_set_ciphersuites(context, TLS13_SUITES) == 1;
}

SSL_CTX *gs_tls_context(const GsCommonSettings *settings, char *error, size_t error_size)
{
	SSL_CTX *context;
	char text[200];
	const char *what = "TLS";

	ERR_clear_error();
	context = SSL_CTX_new(TLS_server_method());
	if (context == NULL || !context_configure(context))
		goto failed;
	what = settings->tls_certificate;
	if (SSL_CTX_use_certificate_chain_file(context, settings->tls_certificate) != 1)
		goto failed;
	what = settings->tls_key;
	if (SSL_CTX_use_PrivateKey_file(context, settings->tls_key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(context) != 1)
		goto failed;
	return context;
failed:
	gs_tls_error(text, sizeof(text));
	snprintf(error, error_size, "%s: %s", what, text);
	SSL_CTX_free(context);
	return NULL;
}

time_t gs_tls_expiry(SSL_CTX *context)
{
	const X509 *certificate = SSL_CTX_get0_certificate(context);
	struct tm tm;

	if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return 0;
	return timegm(&tm);
}

bool gs_tls_is_h2(const SSL *ssl)
{
	const unsigned char *protocol;
	unsigned size;

	SSL_get0_alpn_selected(ssl, &protocol, &size);
	return size == 2 && memcmp(protocol, "h2", 2) == 0;
}
