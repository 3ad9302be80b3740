/* The order of the parameters in DeepTaxa's state dict, which is also that of its optimizer state:
 * that in which its model registers them. */
#ifndef DT_RUN_STATE_DICT_ORDER_H
#define DT_RUN_STATE_DICT_ORDER_H

#include "model/params.h"

/* Sets order[0 … table->count - 1] to the table's tensors in that order. */
void dt_state_dict_order(const dt_param_table *table, const dt_param_spec **order);

#endif
