/* SPDX-License-Identifier: PostgreSQL */
/*
 * Settings: the INI file is read into a list of (section, name, value, line) first, since a value may go on over
 * indented lines (libinih cuts a single line at 200 bytes; we refuse such a line instead); then each entry is looked up
 * in the table, the environment is laid over it, defaults fill the rest and ranges are checked. Nothing is ever
 * ignored: an unknown section or name, or a name given twice, is an error that names file and line.
 */
#include "daemon/settings.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/settings_common.h"

typedef struct Entry {
	char *section, *name, *value;
	int line;
} Entry;

typedef struct Loader {
	const GsSettingsTable *table;
	void *target;
	const char *path;
	FILE *file;
	Entry entries[GS_MAX_SETTINGS];
	int entry_count;
	int line;
	bool indented; /* the line being parsed starts with blanks: it may continue the one before */
	bool failed;
	char *error;
	size_t error_size;
} Loader;

static void __attribute__((format(printf, 3, 4))) loader_fail(Loader *loader, int line, const char *format, ...)
{
	va_list args;
	int used = 0;

	if (loader->failed)
		return;
	loader->failed = true;
	if (line > 0)
		used = snprintf(loader->error, loader->error_size, "%s:%d: ", loader->path, line);
	if (used < 0 || (size_t)used >= loader->error_size)
		return;
	va_start(args, format);
	vsnprintf(loader->error + used, loader->error_size - (size_t)used, format, args);
	va_end(args);
}

/* Reading the file ---------------------------------------------------------------------------------------------- */

static char *read_line(char *text, int size, void *stream)
{
	Loader *loader = stream;

	if (loader->failed || fgets(text, size, loader->file) == NULL)
		return NULL;
	loader->line++;
	loader->indented = isspace((unsigned char)text[0]);
	if (strchr(text, '\n') == NULL && !feof(loader->file)) {
		loader_fail(loader, loader->line, "line longer than %d bytes; go on in the next line, indented", size - 2);
		return NULL;
	}
	return text;
}

static bool entry_continue(Loader *loader, Entry *entry, const char *value)
{
	size_t old = strlen(entry->value), more = strlen(value);
	char *joined;

	if (old + more + 2 > GS_MAX_SETTINGS_LINE) {
		loader_fail(loader, loader->line, "value of %s longer than %d bytes", entry->name, GS_MAX_SETTINGS_LINE);
		return false;
	}
	joined = realloc(entry->value, old + more + 2);
	if (joined == NULL) {
		loader_fail(loader, loader->line, "out of memory");
		return false;
	}
	joined[old] = ' ';
	memcpy(joined + old + 1, value, more + 1);
	entry->value = joined;
	return true;
}

static int add_entry(void *user, const char *section, const char *name, const char *value)
{
	Loader *loader = user;
	Entry *last = loader->entry_count > 0 ? &loader->entries[loader->entry_count - 1] : NULL;
	Entry *entry;

	if (loader->indented && last != NULL && strcmp(last->section, section) == 0 && strcmp(last->name, name) == 0)
		return entry_continue(loader, last, value);
	for (int i = 0; i < loader->entry_count; i++)
		if (strcmp(loader->entries[i].section, section) == 0 && strcmp(loader->entries[i].name, name) == 0) {
			loader_fail(loader, loader->line, "%s.%s is already set in line %d", section, name,
						loader->entries[i].line);
			return 0;
		}
	if (loader->entry_count == GS_MAX_SETTINGS) {
		loader_fail(loader, loader->line, "more than %d settings", GS_MAX_SETTINGS);
		return 0;
	}
	entry = &loader->entries[loader->entry_count++];
	entry->section = strdup(section);
	entry->name = strdup(name);
	entry->value = strdup(value);
	entry->line = loader->line;
	if (entry->section == NULL || entry->name == NULL || entry->value == NULL) {
		loader_fail(loader, loader->line, "out of memory");
		return 0;
	}
	return 1;
}

static void read_file(Loader *loader)
{
	int line;

	loader->file = fopen(loader->path, "re");
	if (loader->file == NULL) {
		loader_fail(loader, 0, "%s: %s", loader->path, strerror(errno));
		return;
	}
	line = ini_parse_stream(read_line, loader, add_entry, loader);
	if (line != 0)
		loader_fail(loader, line > 0 ? line : 0, "neither a [section] nor name = value");
	if (ferror(loader->file))
		loader_fail(loader, loader->line, "cannot be read");
	fclose(loader->file);
	loader->file = NULL;
}

/* Values -------------------------------------------------------------------------------------------------------- */

static bool parse_bool(const char *text, bool *value)
{
	static const char *const yes[] = {"true", "on", "yes", "1"}, *const no[] = {"false", "off", "no", "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*value = strcasecmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static void *field_of(const GsSetting *setting, const void *target)
{
	return (char *)(uintptr_t)target + setting->offset;
}

static void store_int(Loader *loader, const GsSetting *setting, const char *text, int line)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0)
		loader_fail(loader, line, "%s.%s: \"%s\" is not a whole number", setting->section, setting->name, text);
	else if (value < setting->min || value > setting->max)
		loader_fail(loader, line, "%s.%s: %lld is outside %lld .. %lld", setting->section, setting->name, value,
					(long long)setting->min, (long long)setting->max);
	else
		*(int64_t *)field_of(setting, loader->target) = value;
}

/* line 0: from the environment or a default */
static void store(Loader *loader, const GsSetting *setting, const char *text, int line)
{
	switch (setting->type) {
	case GS_SETTING_INT:
		store_int(loader, setting, text, line);
		break;
	case GS_SETTING_BOOL:
		if (!parse_bool(text, field_of(setting, loader->target)))
			loader_fail(loader, line, "%s.%s: \"%s\" is neither true nor false", setting->section, setting->name, text);
		break;
	case GS_SETTING_STRING: {
		char **field = field_of(setting, loader->target);

		free(*field);
		*field = *text != '\0' ? strdup(text) : NULL;
		if (*text != '\0' && *field == NULL)
			loader_fail(loader, line, "out of memory");
		break;
	}
	}
}

static bool is_repeated(const GsSetting *setting)
{
	size_t size = strlen(setting->section);

	return size > 2 && strcmp(setting->section + size - 2, ".*") == 0;
}

/* "control.*" announces "control.cs1": returns the label behind the dot, NULL when it is no such section. */
static const char *repeated_label(const GsSetting *setting, const char *section)
{
	size_t size = strlen(setting->section) - 1; /* with the dot */

	if (!is_repeated(setting) || strncmp(setting->section, section, size) != 0 || section[size] == '\0')
		return NULL;
	return section + size;
}

static void apply_entry(Loader *loader, const Entry *entry)
{
	for (const GsSetting *s = loader->table->settings; s->section != NULL; s++) {
		const char *label = repeated_label(s, entry->section);

		if (label != NULL && loader->table->repeated != NULL) {
			char section[64];
			const char *wrong;

			snprintf(section, sizeof(section), "%.*s", (int)strlen(s->section) - 2, s->section);
			wrong = loader->table->repeated(loader->target, section, label, entry->name, entry->value);
			if (wrong != NULL)
				loader_fail(loader, entry->line, "%s.%s: %s", entry->section, entry->name, wrong);
			return;
		}
		if (!is_repeated(s) && strcmp(s->section, entry->section) == 0 && strcmp(s->name, entry->name) == 0) {
			store(loader, s, entry->value, entry->line);
			return;
		}
	}
	loader_fail(loader, entry->line, "unknown setting %s.%s", entry->section, entry->name);
}

static void apply_environment(Loader *loader, const GsSetting *setting)
{
	char name[128];
	const char *value;

	snprintf(name, sizeof(name), "%s_%s_%s", loader->table->env_prefix, setting->section, setting->name);
	for (char *p = name; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	value = getenv(name);
	if (value != NULL)
		store(loader, setting, value, 0);
}

static void apply(Loader *loader)
{
	const GsSettingsTable *table = loader->table;

	for (const GsSetting *s = table->settings; s->section != NULL; s++)
		if (!is_repeated(s) && s->fallback != NULL)
			store(loader, s, s->fallback, 0);
	for (int i = 0; i < loader->entry_count && !loader->failed; i++)
		apply_entry(loader, &loader->entries[i]);
	for (const GsSetting *s = table->settings; s->section != NULL && !loader->failed; s++) {
		if (is_repeated(s))
			continue;
		if (table->env_prefix != NULL)
			apply_environment(loader, s);
		if (s->required && s->type == GS_SETTING_STRING && *(char **)field_of(s, loader->target) == NULL)
			loader_fail(loader, 0, "%s.%s is required", s->section, s->name);
	}
	if (!loader->failed && table->check != NULL) {
		const char *wrong = table->check(loader->target);

		if (wrong != NULL)
			loader_fail(loader, 0, "%s: %s", loader->path != NULL ? loader->path : "settings", wrong);
	}
}

int gs_settings_load(const GsSettingsTable *table, const char *path, void *target, char *error, size_t error_size)
{
	Loader *loader = calloc(1, sizeof(Loader));
	int result;

	if (loader == NULL) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	loader->table = table;
	loader->target = target;
	loader->path = path;
	loader->error = error;
	loader->error_size = error_size;
	if (path != NULL)
		read_file(loader);
	if (!loader->failed)
		apply(loader);
	for (int i = 0; i < loader->entry_count; i++) {
		free(loader->entries[i].section);
		free(loader->entries[i].name);
		free(loader->entries[i].value);
	}
	result = loader->failed ? -1 : 0;
	free(loader);
	return result;
}

/* Out again ----------------------------------------------------------------------------------------------------- */

static void dump_value(const GsSetting *setting, const void *target, FILE *out)
{
	const void *field = field_of(setting, target);
	const char *text;

	switch (setting->type) {
	case GS_SETTING_INT:
		fprintf(out, "%lld", (long long)*(const int64_t *)field);
		break;
	case GS_SETTING_BOOL:
		fputs(*(const bool *)field ? "true" : "false", out);
		break;
	case GS_SETTING_STRING:
		text = *(char *const *)field;
		if (text != NULL)
			fputs(setting->secret ? "***" : text, out);
		break;
	}
}

void gs_settings_dump(const GsSettingsTable *table, const void *target, FILE *out)
{
	const char *section = "";

	for (const GsSetting *s = table->settings; s->section != NULL; s++) {
		if (is_repeated(s))
			continue;
		if (strcmp(section, s->section) != 0)
			fprintf(out, "%s[%s]\n", *section != '\0' ? "\n" : "", s->section);
		section = s->section;
		if (s->help != NULL)
			fprintf(out, "# %s\n", s->help);
		fprintf(out, "%s = ", s->name);
		dump_value(s, target, out);
		fputc('\n', out);
	}
	if (table->dump_repeated != NULL)
		table->dump_repeated(target, out);
}

void gs_settings_free(const GsSettingsTable *table, void *target)
{
	for (const GsSetting *s = table->settings; s->section != NULL; s++)
		if (!is_repeated(s) && s->type == GS_SETTING_STRING) {
			char **field = field_of(s, target);

			free(*field);
			*field = NULL;
		}
}
