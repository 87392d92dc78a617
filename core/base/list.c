/* list.c: the out-of-line copies of the list's functions, all of which are inline. */
#include "base/list.h"

extern inline void jh_list_init(jh_list *list);
extern inline bool jh_list_is_empty(const jh_list *list);
extern inline void jh_list_append(jh_list *list, jh_list *node);
extern inline void jh_list_remove(jh_list *node);
