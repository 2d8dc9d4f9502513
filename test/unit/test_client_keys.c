/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/keys.o client/encode.o client/file.o client/error.o */
/* libs: cmocka jansson libcrypto */
/*
 * The key file: mode, exclusivity, refusal of unsafe or foreign files; the signature is what RFC 8032 says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/file.h"
#include "client/keys.h"

static char directory[] = "/tmp/gs-keys.XXXXXX";
static char path[64];
static GsErrorBox box;

static int setup(void **state)
{
	(void)state;
	gs_error_clear(&box);
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/terminal.key", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

/* RFC 8032 section 7.1, test 2, as PKCS#8. */
static const char RFC_KEY[] = "-----BEGIN PRIVATE KEY-----\n"
							  "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
							  "-----END PRIVATE KEY-----\n";

static void signature(void **state)
{
	char text[GS_KEY_SIGNATURE_TEXT];
	char public[GS_KEY_PUBLIC_TEXT];
	GsKey *key;

	(void)state;
	assert_int_equal(gs_file_write(path, RFC_KEY, strlen(RFC_KEY), true, &box), GS_CLIENT_OK);
	assert_int_equal(gs_key_load(path, &key, &box), GS_CLIENT_OK);
	assert_non_null(key);
	assert_int_equal(gs_key_public(key, public, &box), GS_CLIENT_OK);
	assert_string_equal(public, "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw");
	assert_int_equal(gs_key_sign(key, "r", text, &box), GS_CLIENT_OK);
	assert_string_equal(text, "kqAJqfDUyrhyDoILX2QlQKKye1QWUD-Ps3YiI-vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA");
	gs_key_free(key);
	unlink(path);
}

static void created_once(void **state)
{
	char first[GS_KEY_PUBLIC_TEXT];
	char again[GS_KEY_PUBLIC_TEXT];
	struct stat st;
	GsKey *key;

	(void)state;
	assert_int_equal(gs_key_load(path, &key, &box), GS_CLIENT_OK);
	assert_null(key);
	assert_int_equal(gs_key_create(path, &key, &box), GS_CLIENT_OK);
	assert_int_equal(gs_key_public(key, first, &box), GS_CLIENT_OK);
	gs_key_free(key);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* A second one never replaces it. */
	assert_int_equal(gs_key_create(path, &key, &box), GS_CLIENT_CONFLICT);
	assert_null(key);
	assert_int_equal(gs_key_load(path, &key, &box), GS_CLIENT_OK);
	assert_int_equal(gs_key_public(key, again, &box), GS_CLIENT_OK);
	assert_string_equal(first, again);
	gs_key_free(key);
}

static void unsafe_mode(void **state)
{
	GsKey *key;

	(void)state;
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(gs_key_load(path, &key, &box), GS_CLIENT_LOCAL);
	assert_null(key);
	assert_non_null(strstr(box.error.hint, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(gs_key_load(path, &key, &box), GS_CLIENT_OK);
	gs_key_free(key);
}

static void other_content(void **state)
{
	static const char X25519[] = "-----BEGIN PRIVATE KEY-----\n"
								 "MC4CAQAwBQYDK2VuBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
								 "-----END PRIVATE KEY-----\n";
	const char *bad[] = {"", "hello", X25519};
	GsKey *key;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(gs_file_write(path, bad[i], strlen(bad[i]), true, &box), GS_CLIENT_OK);
		assert_int_equal(gs_key_load(path, &key, &box), GS_CLIENT_LOCAL);
		assert_null(key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signature),
		cmocka_unit_test(created_once),
		cmocka_unit_test(unsafe_mode),
		cmocka_unit_test(other_content),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
