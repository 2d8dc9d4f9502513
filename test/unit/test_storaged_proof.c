/* SPDX-License-Identifier: PostgreSQL */
/* objects: storaged/proof.o storaged/uuid.o */
/* libs: cmocka libcrypto */
/* The checks of what is sent: by digest, then by tag; wrong bytes never pass, whichever of the two it is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "storaged/proof.h"

static uint8_t bytes[100000];

static GsSidecar sidecar_of(const char *id)
{
	GsSidecar sidecar = {.size_bytes = sizeof(bytes)};

	assert_true(gs_uuid_parse(id, &sidecar.object));
	assert_int_equal(EVP_Digest(bytes, sizeof(bytes), sidecar.sha256, NULL, EVP_sha256(), NULL), 1);
	return sidecar;
}

/* The verdict on `bytes`, given in uneven parts; what is right is kept. */
static int judge_tagged(GsProofs *proofs, const GsSidecar *sidecar, bool tagged, bool *by_digest)
{
	GsCheck check = {0};
	int error = 0;

	assert_true(gs_check_begin(&check, proofs, sidecar, tagged));
	*by_digest = check.digest != NULL;
	for (size_t at = 0, size; at < sizeof(bytes) && error == 0; at += size) {
		size = sizeof(bytes) - at < 4099 ? sizeof(bytes) - at : 4099;
		error = gs_check_bytes(&check, bytes + at, size, at + size == sizeof(bytes) ? sidecar : NULL);
	}
	if (error == 0)
		gs_proof_keep(proofs, &check, sidecar);
	gs_check_clear(&check);
	return error;
}

static int judge(GsProofs *proofs, const GsSidecar *sidecar, bool *by_digest)
{
	return judge_tagged(proofs, sidecar, true, by_digest);
}

static void test_proof(void **state)
{
	GsSidecar sidecar, neighbour, other;
	GsProofs *proofs = gs_proof_start();
	bool by_digest;

	(void)state;
	assert_non_null(proofs);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 >> 3);
	sidecar = sidecar_of("12345678-1234-4123-8123-123456789abc");
	neighbour = sidecar_of("12300000-1234-4123-8123-123456789abc"); /* of the same slot */
	assert_int_equal(judge(proofs, &sidecar, &by_digest), 0);
	assert_true(by_digest);
	assert_int_equal(judge(proofs, &sidecar, &by_digest), 0);
	assert_false(by_digest);
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit += sizeof(bytes) * 8 / 100 - 1) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(judge(proofs, &sidecar, &by_digest), EBADMSG);
		assert_false(by_digest);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(judge(proofs, &neighbour, &by_digest), 0);
	assert_true(by_digest);
	assert_int_equal(judge(proofs, &sidecar, &by_digest), 0);
	assert_true(by_digest); /* the neighbour has its place now */
	other = sidecar;
	other.sha256[0] ^= 1; /* the same object's id, said to be something else: its tag is not this one's */
	assert_int_equal(judge(proofs, &other, &by_digest), EBADMSG);
	assert_true(by_digest);
	gs_proof_forget(proofs, &other);
	assert_int_equal(judge(proofs, &sidecar, &by_digest), 0);
	assert_false(by_digest);
	gs_proof_forget(proofs, &sidecar);
	assert_int_equal(judge(proofs, &sidecar, &by_digest), 0);
	assert_true(by_digest);
	gs_proof_stop(proofs);
}

static void test_without(void **state)
{
	const GsSidecar sidecar = sidecar_of("12345678-1234-4123-8123-123456789abc");
	GsProofs *proofs = gs_proof_start();
	GsCheck none = {0};
	bool by_digest;

	(void)state;
	assert_non_null(proofs);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(judge_tagged(proofs, &sidecar, false, &by_digest), 0);
		assert_true(by_digest);
	}
	bytes[5] ^= 1;
	assert_int_equal(judge_tagged(proofs, &sidecar, false, &by_digest), EBADMSG);
	assert_int_equal(gs_check_bytes(&none, bytes, sizeof(bytes), &sidecar), 0); /* a range: not begun, nothing to say */
	gs_proof_stop(proofs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_proof), cmocka_unit_test(test_without)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
