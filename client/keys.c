/* SPDX-License-Identifier: PostgreSQL */
/*
 * The terminal's key. The private half leaves this file only into its PEM file; every buffer that held it is wiped. A
 * key is never replaced: losing it means a new enrolment, so overwriting must be the user's own act.
 */
#include "client/keys.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "client/file.h"

#define KEY_FILE_MAX_BYTES 16384
#define PUBLIC_BYTES 32
#define SIGNATURE_BYTES 64

static EVP_PKEY *evp(const GsKey *key)
{
	return (EVP_PKEY *)(void *)(uintptr_t)key;
}

static int no_password(char *buffer, int size, int rwflag, void *arg)
{
	(void)buffer, (void)size, (void)rwflag, (void)arg;
	return -1;
}

int gs_key_load(const char *path, GsKey **key, GsErrorBox *box)
{
	char *data;
	size_t size;
	BIO *bio;
	EVP_PKEY *pkey = NULL;
	int status = gs_file_read(path, KEY_FILE_MAX_BYTES, true, &data, &size, box);

	*key = NULL;
	if (status != GS_CLIENT_OK || data == NULL)
		return status;
	bio = BIO_new_mem_buf(data, (int)size);
	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	OPENSSL_cleanse(data, size);
	free(data);
	if (pkey == NULL || !EVP_PKEY_is_a(pkey, "ED25519")) {
		EVP_PKEY_free(pkey);
		return gs_error_set(box, GS_CLIENT_LOCAL,
							"Restore it from a backup, or move it away and enrol again with a new code.",
							"%s holds no unencrypted Ed25519 key", path);
	}
	*key = (GsKey *)(void *)pkey;
	return GS_CLIENT_OK;
}

int gs_key_create(const char *path, GsKey **key, GsErrorBox *box)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_secmem());
	char *data = NULL;
	long size = 0;
	int status;

	*key = NULL;
	if (pkey == NULL || bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1 ||
		(size = BIO_get_mem_data(bio, &data)) <= 0)
		status = gs_error_set(box, GS_CLIENT_LOCAL, NULL, "cannot make an Ed25519 key");
	else
		status = gs_file_write(path, data, (size_t)size, false, box);
	BIO_free(bio); /* secmem: wiped when freed */
	if (status == GS_CLIENT_OK)
		*key = (GsKey *)(void *)pkey;
	else
		EVP_PKEY_free(pkey);
	return status;
}

void gs_key_free(GsKey *key)
{
	EVP_PKEY_free(evp(key));
}

int gs_key_public(const GsKey *key, char text[GS_KEY_PUBLIC_TEXT], GsErrorBox *box)
{
	uint8_t raw[PUBLIC_BYTES];
	size_t size = sizeof(raw);

	if (EVP_PKEY_get_raw_public_key(evp(key), raw, &size) != 1 || size != sizeof(raw))
		return gs_error_set(box, GS_CLIENT_LOCAL, NULL, "cannot read the public key");
	gs_base64url_encode(text, raw, size);
	return GS_CLIENT_OK;
}

int gs_key_sign(const GsKey *key, const char *message, char text[GS_KEY_SIGNATURE_TEXT], GsErrorBox *box)
{
	uint8_t raw[SIGNATURE_BYTES];
	size_t size = sizeof(raw);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, evp(key)) == 1 &&
			  EVP_DigestSign(context, raw, &size, (const uint8_t *)message, strlen(message)) == 1 &&
			  size == sizeof(raw);

	EVP_MD_CTX_free(context);
	if (!ok)
		return gs_error_set(box, GS_CLIENT_LOCAL, NULL, "cannot sign with the terminal's key");
	gs_base64url_encode(text, raw, size);
	return GS_CLIENT_OK;
}
