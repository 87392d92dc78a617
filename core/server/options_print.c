/* options_print.c: the options table as people read it: --help and the table in README. */
#include "server/options.h"

#include <string.h>

enum { FLAG_BYTES = 96, HELP_COLUMN = 32, HELP_WIDTH = 98 };

/* "--max-body-bytes BYTES", "--[no-]dev" */
static void write_flag(const jh_option_info *info, char *out, size_t out_bytes) {
  char spelt[FLAG_BYTES / 2];
  jh_options_spell(info->name, JH_OPTION_FROM_COMMAND_LINE, spelt, sizeof spelt);
  switch (info->kind) {
  case JH_OPTION_SWITCH:
    snprintf(out, out_bytes, "--[no-]%s", spelt + 2);
    break;
  case JH_OPTION_CHOICE:
    snprintf(out, out_bytes, "%s WORD", spelt);
    break;
  case JH_OPTION_WORKERS:
  case JH_OPTION_COUNT:
    snprintf(out, out_bytes, "%s N", spelt);
    break;
  case JH_OPTION_MS:
    snprintf(out, out_bytes, "%s N", spelt);
    break;
  case JH_OPTION_TEXT:
    snprintf(out, out_bytes, "%s %s", spelt, info->unit[0] ? info->unit : "text");
    break;
  default:
    snprintf(out, out_bytes, "%s %s", spelt, info->unit);
  }
}

/* Words of `text`, wrapped and indented to the help column. */
static void print_wrapped(FILE *out, const char *text, size_t column) {
  const char *at = text;
  while (*at != '\0') {
    size_t len = strcspn(at, " ");
    if (column + 1 + len > HELP_WIDTH) {
      fprintf(out, "\n%*s", HELP_COLUMN, "");
      column = HELP_COLUMN;
    } else if (at != text) {
      fputc(' ', out);
      column++;
    }
    fwrite(at, 1, len, out);
    column += len;
    at += len;
    at += strspn(at, " ");
  }
}

static void write_default(const jh_option_info *info, char *out, size_t out_bytes) {
  const char *value = info->default_value;
  snprintf(out, out_bytes, "%s", value[0] != '\0' ? value : "none");
}

void jh_options_print_help(FILE *out) {
  const jh_option_info *info;
  for (size_t i = 0; (info = jh_options_describe(i)) != NULL; i++) {
    char flag[FLAG_BYTES], text[512], value[64];
    write_flag(info, flag, sizeof flag);
    write_default(info, value, sizeof value);
    const char *words = info->kind == JH_OPTION_CHOICE ? info->unit : "";
    snprintf(text, sizeof text, "%s%s%s (%s)", info->help, words[0] ? ": " : "", words, value);
    int column = fprintf(out, "  %-*s", HELP_COLUMN - 3, flag);
    if (column >= HELP_COLUMN) {
      fprintf(out, "\n%*s", HELP_COLUMN, "");
    } else {
      fprintf(out, "%*s", HELP_COLUMN - column, "");
    }
    print_wrapped(out, text, HELP_COLUMN);
    fputc('\n', out);
  }
}

/* In a Markdown table a bar inside a cell must be escaped. */
static void print_cell(FILE *out, const char *text) {
  for (; *text != '\0'; text++) {
    if (*text == '|') fputc('\\', out);
    fputc(*text, out);
  }
}

void jh_options_print_markdown(FILE *out) {
  const jh_option_info *info;
  fputs("| option | default | unit | what it does |\n|---|---|---|---|\n", out);
  for (size_t i = 0; (info = jh_options_describe(i)) != NULL; i++) {
    char value[64];
    write_default(info, value, sizeof value);
    fprintf(out, "| `%s` | `%s` | ", info->name, value);
    print_cell(out, info->unit);
    fputs(" | ", out);
    print_cell(out, info->help);
    fputs(" |\n", out);
  }
}
