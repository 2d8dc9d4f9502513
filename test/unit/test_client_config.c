/* SPDX-License-Identifier: PostgreSQL */
/* objects: client/config.o client/http.o client/file.o client/error.o */
/* libs: cmocka jansson libcurl inih */
/*
 * A terminal's files: where they are, which setting goes before which, what is refused, and the cached session.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/config.h"
#include "client/file.h"

static char directory[] = "/tmp/gs-config.XXXXXX";
static GsErrorBox box;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	gs_error_clear(&box);
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int no_environment(void **state)
{
	static const char *const names[] = {"GROUPSHARE_HOME", "GROUPSHARE_URL", "GROUPSHARE_CA", "XDG_CONFIG_HOME",
										"XDG_STATE_HOME"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return setenv("HOME", "/home/anna", 1);
}

static void expect_directories(const char *home, const char *config_directory, const char *state_directory)
{
	GsConfig config;

	assert_int_equal(gs_config_load(&(GsClientOptions){.home = home}, &config, &box), GS_CLIENT_OK);
	assert_string_equal(config.config_directory, config_directory);
	assert_string_equal(config.state_directory, state_directory);
	gs_config_free(&config);
}

static void directories(void **state)
{
	(void)state;
	expect_directories(NULL, "/home/anna/.config/groupshare", "/home/anna/.local/state/groupshare");
	setenv("XDG_CONFIG_HOME", "/x/config", 1);
	setenv("XDG_STATE_HOME", "relative", 1);
	expect_directories(NULL, "/x/config/groupshare", "/home/anna/.local/state/groupshare");
	setenv("GROUPSHARE_HOME", "/g", 1);
	expect_directories(NULL, "/g", "/g");
	expect_directories("/h", "/h", "/h");
}

static void precedence(void **state)
{
	GsConfig config = {.config_directory = strdup(directory),
					   .config_file = strdup(directory),
					   .url = strdup("https://saved.example"),
					   .terminal = strdup("anna@example.org")};
	GsClientOptions options = {.home = directory};

	(void)state;
	free(config.config_file);
	assert_true(asprintf(&config.config_file, "%s/config.ini", directory) > 0);
	assert_int_equal(gs_config_save(&config, &box), GS_CLIENT_OK);
	gs_config_free(&config);

	assert_int_equal(gs_config_load(&options, &config, &box), GS_CLIENT_OK);
	assert_string_equal(config.url, "https://saved.example");
	assert_string_equal(config.terminal, "anna@example.org");
	assert_null(config.ca);
	gs_config_free(&config);

	setenv("GROUPSHARE_URL", "https://environment.example:8443/", 1);
	assert_int_equal(gs_config_load(&options, &config, &box), GS_CLIENT_OK);
	assert_string_equal(config.url, "https://environment.example:8443");
	gs_config_free(&config);

	options.url = "https://option.example";
	assert_int_equal(gs_config_load(&options, &config, &box), GS_CLIENT_OK);
	assert_string_equal(config.url, "https://option.example");
	gs_config_free(&config);
}

static void addresses(void **state)
{
	static const char *const good[] = {"https://a.example",  "https://a.example:1/", "http://localhost:8080",
									   "http://127.0.0.1:1", "http://[::1]:1",       "https://a.example/under"};
	static const char *const bad[] = {"",
									  "a.example",
									  "http://a.example",
									  "ftp://a.example",
									  "https://u:p@a.example",
									  "https://u@a.example",
									  "https://a.example?x",
									  "https://a.example#x",
									  "http://localhost.evil.example",
									  "file:///etc/passwd",
									  "https://"};
	GsConfig config;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (gs_config_load(&(GsClientOptions){.home = "/h", .url = good[i]}, &config, &box) != GS_CLIENT_OK)
			fail_msg("%s is refused", good[i]);
		gs_config_free(&config);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (gs_config_load(&(GsClientOptions){.home = "/h", .url = bad[i]}, &config, &box) != GS_CLIENT_INVALID)
			fail_msg("%s is accepted", bad[i]);
		gs_config_free(&config);
	}
}

static void bad_files(void **state)
{
	static const char *const bad[] = {"[groupshare]\nnonsense = 1\n", "[other]\nurl = x\n", "hello\n"};
	char path[64];
	GsConfig config;

	(void)state;
	snprintf(path, sizeof(path), "%s/config.ini", directory);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(gs_file_write(path, bad[i], strlen(bad[i]), true, &box), GS_CLIENT_OK);
		assert_int_equal(gs_config_load(&(GsClientOptions){.home = directory}, &config, &box), GS_CLIENT_LOCAL);
		assert_non_null(strstr(box.error.message, path));
		gs_config_free(&config);
	}
	assert_int_equal(unlink(path), 0);
	/* A CA that is not there is said at once, not at the first connection. */
	assert_int_equal(gs_config_load(&(GsClientOptions){.home = directory, .ca = "/nowhere"}, &config, &box),
					 GS_CLIENT_LOCAL);
	gs_config_free(&config);
}

static void session(void **state)
{
	GsConfig config;
	GsSession saved = {"token", "cs1", "2026-01-31T12:00:00Z"};
	GsSession loaded;
	struct stat st;

	(void)state;
	assert_int_equal(gs_config_load(&(GsClientOptions){.home = directory, .url = "https://a.example"}, &config, &box),
					 GS_CLIENT_OK);
	config.terminal = strdup("anna@example.org");
	gs_session_load(&config, &loaded);
	assert_null(loaded.token);
	assert_int_equal(gs_session_save(&config, &saved, &box), GS_CLIENT_OK);
	assert_int_equal(stat(config.session_file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	gs_session_load(&config, &loaded);
	assert_string_equal(loaded.token, "token");
	gs_session_free(&loaded);
	/* Another's, or one that others can read, is none. */
	config.url[strlen(config.url) - 1]++;
	gs_session_load(&config, &loaded);
	assert_null(loaded.token);
	config.url[strlen(config.url) - 1]--;
	assert_int_equal(chmod(config.session_file, 0644), 0);
	gs_session_load(&config, &loaded);
	assert_null(loaded.token);
	gs_config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(directories, no_environment), cmocka_unit_test_setup(precedence, no_environment),
		cmocka_unit_test_setup(addresses, no_environment),   cmocka_unit_test_setup(bad_files, no_environment),
		cmocka_unit_test_setup(session, no_environment),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
