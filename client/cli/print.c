/* SPDX-License-Identifier: PostgreSQL */
/*
 * Printing. Names come from other people: nothing of them reaches a terminal that could move its cursor, change its
 * colours or turn its text around.
 */
#include "client/cli/print.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "client/name.h"

/* The longest form a byte can take: \u{10ffff} for four, \xHH for one. */
#define ESCAPED_MAX 10

char *cli_escape(const char *text)
{
	char *escaped = malloc(ESCAPED_MAX * strlen(text) + 1);
	char *to = escaped;

	if (escaped == NULL)
		return NULL;
	while (*text != '\0') {
		size_t n = gs_utf8_length(text);
		unsigned code = n > 0 ? gs_utf8_code(text) : 0;

		if (n == 0) {
			to += sprintf(to, "\\x%02x", (unsigned char)*text);
			n = 1;
		} else if (gs_is_unprintable(code)) {
			to += sprintf(to, code < 0x80 ? "\\x%02x" : "\\u{%x}", code);
		} else {
			memcpy(to, text, n);
			to += n;
		}
		text += n;
	}
	*to = '\0';
	return escaped;
}

void cli_print(FILE *out, const char *text)
{
	char *escaped = cli_escape(text);

	if (escaped != NULL)
		fputs(escaped, out);
	free(escaped);
}

void cli_format_size(char to[CLI_SIZE_TEXT], uint64_t bytes)
{
	static const char *const UNITS[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(to, CLI_SIZE_TEXT, "%d B", (int)bytes);
		return;
	}
	for (; value >= 1023.95 && unit + 1 < sizeof(UNITS) / sizeof(UNITS[0]); unit++)
		value /= 1024;
	snprintf(to, CLI_SIZE_TEXT, "%.1f %s", value, UNITS[unit]);
}

void cli_format_duration(char to[CLI_SIZE_TEXT], uint64_t seconds)
{
	unsigned long long hours = seconds / 3600;
	unsigned minutes = (unsigned)(seconds / 60 % 60);
	unsigned rest = (unsigned)(seconds % 60);

	if (hours > 0)
		snprintf(to, CLI_SIZE_TEXT, "%llu:%02u:%02u", hours, minutes, rest);
	else
		snprintf(to, CLI_SIZE_TEXT, "%u:%02u", minutes, rest);
}

void cli_format_time(char to[CLI_SIZE_TEXT], const char *rfc3339)
{
	if (rfc3339 == NULL || strlen(rfc3339) < 16 || rfc3339[10] != 'T') {
		strcpy(to, "-");
		return;
	}
	snprintf(to, CLI_SIZE_TEXT, "%.10s %.5s", rfc3339, rfc3339 + 11);
}

const char *cli_member(const json_t *object, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : otherwise;
}

char *cli_join_texts(const json_t *list)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *item;
	size_t i;

	if (out == NULL)
		return NULL;
	json_array_foreach(list, i, item)
		fprintf(out, "%s%s", i > 0 ? ", " : "", json_is_string(item) ? json_string_value(item) : "?");
	if (json_array_size(list) == 0)
		fputc('-', out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Columns that the text takes on a terminal; where the locale can't say, one for each character. */
static size_t shown_width(const char *text)
{
	size_t width = 0;

	while (*text != '\0') {
		size_t n = gs_utf8_length(text);
		int columns = n > 1 ? wcwidth((wchar_t)gs_utf8_code(text)) : 1;

		width += columns >= 0 ? (size_t)columns : 1;
		text += n > 0 ? n : 1;
	}
	return width;
}

void cli_table_begin(CliTable *table, const char *const *titles)
{
	*table = (CliTable){.titles = titles, .rows = json_array()};
	while (titles[table->columns] != NULL)
		table->columns++;
}

void cli_table_row(CliTable *table, ...)
{
	json_t *row = json_array();
	va_list args;

	va_start(args, table);
	for (size_t i = 0; i < table->columns; i++) {
		const char *cell = va_arg(args, const char *);
		char *escaped = cli_escape(cell != NULL ? cell : "-");

		json_array_append_new(row, json_string(escaped != NULL ? escaped : "?"));
		free(escaped);
	}
	va_end(args);
	json_array_append_new(table->rows, row);
}

static void print_row(const CliTable *table, const json_t *row, const size_t *widths)
{
	for (size_t i = 0; i < table->columns; i++) {
		const char *cell = row != NULL ? json_string_value(json_array_get(row, i)) : table->titles[i];
		size_t pad = widths[i] - shown_width(cell) + 2;

		printf("%s%*s", cell, i + 1 < table->columns ? (int)pad : 0, "");
	}
	putchar('\n');
}

void cli_table_end(CliTable *table)
{
	size_t widths[CLI_COLUMNS_MAX] = {0};
	json_t *row;
	size_t r;

	for (size_t i = 0; i < table->columns; i++) {
		widths[i] = shown_width(table->titles[i]);
		json_array_foreach(table->rows, r, row)
		{
			size_t width = shown_width(json_string_value(json_array_get(row, i)));

			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	if (json_array_size(table->rows) > 0)
		print_row(table, NULL, widths);
	json_array_foreach(table->rows, r, row) print_row(table, row, widths);
	json_decref(table->rows);
	table->rows = NULL;
}
