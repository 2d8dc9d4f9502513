/* SPDX-License-Identifier: PostgreSQL */
/*
 * Checks and their tags; see proof.h. GMAC's nonce is the object's id. Should two contents ever be tagged under one id,
 * that gives nothing away: no tag and nothing that depends on more than its being equal leaves the process.
 */
#include "storaged/proof.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4096 /* of 125 bytes; three digits of a random id choose one */
#define KEY_BYTES 16

typedef struct Proof {
	GsUuid object; /* its text is "" when free */
	uint8_t sha256[GS_SHA256_BYTES];
	uint8_t tag[GS_PROOF_TAG_BYTES];
} Proof;

struct GsProofs {
	EVP_MAC *mac; /* looked up by name once: that takes as long as hashing a kilobyte */
	EVP_MD *sha256;
	uint8_t key[KEY_BYTES];
	Proof slots[SLOTS];
};

GsProofs *gs_proof_start(void)
{
	GsProofs *proofs = calloc(1, sizeof(*proofs));

	if (proofs == NULL)
		return NULL;
	proofs->mac = EVP_MAC_fetch(NULL, "GMAC", NULL);
	proofs->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (proofs->mac == NULL || proofs->sha256 == NULL || RAND_bytes(proofs->key, KEY_BYTES) != 1) {
		gs_proof_stop(proofs);
		return NULL;
	}
	return proofs;
}

void gs_proof_stop(GsProofs *proofs)
{
	if (proofs == NULL)
		return;
	EVP_MAC_free(proofs->mac);
	EVP_MD_free(proofs->sha256);
	OPENSSL_cleanse(proofs->key, KEY_BYTES);
	free(proofs);
}

static size_t slot_of(const GsSidecar *sidecar)
{
	return gs_uuid_place(&sidecar->object) % SLOTS;
}

static bool is_of(const Proof *proof, const GsSidecar *sidecar)
{
	return gs_uuid_equal(&proof->object, &sidecar->object) &&
		   memcmp(proof->sha256, sidecar->sha256, GS_SHA256_BYTES) == 0;
}

static bool begin_mac(GsCheck *check, const GsProofs *proofs, const GsSidecar *sidecar)
{
	static char cipher[] = "AES-128-GCM";
	GsUuid nonce = sidecar->object;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
						   OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, nonce.text, GS_UUID_TEXT),
						   OSSL_PARAM_construct_end()};

	check->mac = EVP_MAC_CTX_new(proofs->mac);
	return check->mac != NULL && EVP_MAC_init(check->mac, proofs->key, KEY_BYTES, params) == 1;
}

bool gs_check_begin(GsCheck *check, const GsProofs *proofs, const GsSidecar *sidecar, bool tagged)
{
	const Proof *proof = tagged ? &proofs->slots[slot_of(sidecar)] : NULL;

	if (tagged && !begin_mac(check, proofs, sidecar))
		return false;
	if (proof != NULL && is_of(proof, sidecar)) {
		memcpy(check->expected, proof->tag, GS_PROOF_TAG_BYTES);
		return true;
	}
	check->digest = EVP_MD_CTX_new();
	return check->digest != NULL && EVP_DigestInit_ex(check->digest, proofs->sha256, NULL) == 1;
}

static int finish(GsCheck *check, const GsSidecar *sidecar)
{
	unsigned digest_size;
	size_t tag_size;

	if (check->mac != NULL &&
		(EVP_MAC_final(check->mac, check->tag, &tag_size, GS_PROOF_TAG_BYTES) != 1 || tag_size != GS_PROOF_TAG_BYTES))
		return ENOMEM;
	if (check->digest == NULL)
		return CRYPTO_memcmp(check->tag, check->expected, GS_PROOF_TAG_BYTES) == 0 ? 0 : EBADMSG;
	if (EVP_DigestFinal_ex(check->digest, check->found, &digest_size) != 1)
		return ENOMEM;
	return memcmp(check->found, sidecar->sha256, GS_SHA256_BYTES) == 0 ? 0 : EBADMSG;
}

int gs_check_bytes(GsCheck *check, const uint8_t *bytes, size_t size, const GsSidecar *sidecar)
{
	if (!gs_check_began(check))
		return 0;
	if ((check->digest != NULL && EVP_DigestUpdate(check->digest, bytes, size) != 1) ||
		(check->mac != NULL && EVP_MAC_update(check->mac, bytes, size) != 1))
		return ENOMEM;
	return sidecar != NULL ? finish(check, sidecar) : 0;
}

void gs_check_clear(GsCheck *check)
{
	EVP_MD_CTX_free(check->digest);
	EVP_MAC_CTX_free(check->mac);
	*check = (GsCheck){0};
}

void gs_proof_keep(GsProofs *proofs, const GsCheck *check, const GsSidecar *sidecar)
{
	Proof *proof = &proofs->slots[slot_of(sidecar)];

	if (check->mac == NULL)
		return;
	proof->object = sidecar->object;
	memcpy(proof->sha256, sidecar->sha256, GS_SHA256_BYTES);
	memcpy(proof->tag, check->tag, GS_PROOF_TAG_BYTES);
}

void gs_proof_forget(GsProofs *proofs, const GsSidecar *sidecar)
{
	Proof *proof = &proofs->slots[slot_of(sidecar)];

	if (is_of(proof, sidecar))
		*proof = (Proof){0};
}
