/* SPDX-License-Identifier: PostgreSQL */
/* objects: gateway/routes.o gateway/openapi_json.o */
/* libs: cmocka jansson */
/*
 * The route table, the OpenAPI document and doc/contracts.md section 3 name the same routes, parameters and bodies. The
 * handlers are the test's own, so that the table links alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/events.h"
#include "gateway/openapi.h"
#include "gateway/request.h"
#include "gateway/routes.h"

GsHandler gs_request_handler;
const GsHandler gs_events_handler;
const GsHandler gs_openapi_handler;

/* The daemon's, in each program. */
static const char *const daemon_paths[] = {"/healthz", "/readyz", "/metrics"};

static json_t *document;

static int load(void **state)
{
	(void)state;
	document = json_loadb((const char *)gs_openapi_json, gs_openapi_json_size, JSON_REJECT_DUPLICATES, NULL);
	return document ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(document);
	return 0;
}

static const json_t *operation(const char *method, const char *path)
{
	char lower[16];
	size_t i = 0;

	for (; method[i] && i < sizeof lower - 1; i++)
		lower[i] = (char)tolower((unsigned char)method[i]);
	lower[i] = '\0';
	return json_object_get(json_object_get(json_object_get(document, "paths"), path), lower);
}

static const json_t *resolve(const json_t *value)
{
	const char *target = json_string_value(json_object_get(value, "$ref"));
	char copy[256], *save = NULL;

	if (!target)
		return value;
	assert_int_equal(strncmp(target, "#/", 2), 0);
	snprintf(copy, sizeof copy, "%s", target + 2);
	value = document;
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save))
		value = json_object_get(value, name);
	assert_non_null(value);
	return value;
}

static bool has_parameter(const json_t *op, const char *in, const char *name)
{
	const json_t *parameter;
	size_t i;

	json_array_foreach(json_object_get(op, "parameters"), i, parameter)
	{
		parameter = resolve(parameter);
		if (strcmp(json_string_value(json_object_get(parameter, "in")), in) == 0 &&
			strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0)
			return true;
	}
	return false;
}

static size_t count_parameters(const json_t *op, const char *in)
{
	const json_t *parameter;
	size_t i, count = 0;

	json_array_foreach(json_object_get(op, "parameters"), i, parameter) count +=
		strcmp(json_string_value(json_object_get(resolve(parameter), "in")), in) == 0;
	return count;
}

static void check_names(const json_t *op, const char *in, const char *const *names)
{
	size_t count = 0;

	for (; names[count]; count++)
		assert_true(has_parameter(op, in, names[count]));
	assert_int_equal(count_parameters(op, in), count);
}

static void every_route_is_described(void **state)
{
	(void)state;
	for (const GsRoute *route = gs_gateway_routes; route->method; route++) {
		const json_t *op = operation(route->method, route->pattern);
		const GsApi *api = route->arg;

		assert_non_null(op);
		if (!api)
			continue;
		check_names(op, "path", api->path);
		check_names(op, "query", api->query);
		assert_int_equal(json_object_get(op, "security") == NULL, api->session);
		assert_int_equal(json_object_get(op, "requestBody") == NULL, api->body == GS_API_NO_BODY);
		assert_int_equal(has_parameter(op, "header", "If-None-Match"), api->tagged);
	}
}

static bool is_route(const char *method, const char *path)
{
	for (const GsRoute *route = gs_gateway_routes; route->method; route++)
		if (strcmp(route->pattern, path) == 0 && strcasecmp(route->method, method) == 0)
			return true;
	for (size_t i = 0; i < sizeof daemon_paths / sizeof *daemon_paths; i++)
		if (strcmp(daemon_paths[i], path) == 0 && strcasecmp("get", method) == 0)
			return true;
	return false;
}

static void nothing_else_is_described(void **state)
{
	const char *path, *method;
	json_t *methods, *op;

	(void)state;
	json_object_foreach(json_object_get(document, "paths"), path, methods) json_object_foreach(methods, method, op)
		assert_true(is_route(method, path));
}

/* Every "$ref" leads somewhere. */
static void check_refs(const json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_object_get(value, "$ref"))
		resolve(value);
	if (json_is_object(value))
		json_object_foreach((json_t *)value, key, member) check_refs(member);
	json_array_foreach(value, i, member) check_refs(member);
}

static void references_resolve(void **state)
{
	(void)state;
	check_refs(document);
}

/* The contract's lines "| POST /v1/groups | api_create_group | params | session |". */
static void contract_agrees(void **state)
{
	FILE *contracts = fopen("doc/contracts.md", "r");
	char line[4096], method[16], path[128], function[64];
	int rows = 0, routes = 0;

	(void)state;
	assert_non_null(contracts);
	while (fgets(line, sizeof line, contracts)) {
		const GsRoute *route = gs_gateway_routes;

		if (sscanf(line, "| %15[A-Z] %127[^ ] | %63[a-z_] |", method, path, function) != 3)
			continue;
		while (route->method && (strcmp(route->pattern, path) != 0 || strcmp(route->method, method) != 0))
			route++;
		assert_non_null(route->method);
		assert_string_equal(((const GsApi *)route->arg)->statement.name, function);
		assert_int_equal(strstr(line, "| yes |") != NULL, ((const GsApi *)route->arg)->session);
		rows++;
	}
	fclose(contracts);
	for (const GsRoute *route = gs_gateway_routes; route->method; route++)
		routes += route->arg != NULL;
	assert_int_equal(rows, routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_route_is_described),
									   cmocka_unit_test(nothing_else_is_described),
									   cmocka_unit_test(references_resolve), cmocka_unit_test(contract_agrees)};

	return cmocka_run_group_tests(tests, load, unload);
}
