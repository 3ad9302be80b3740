/* The losses and their names. That of lineages is the cross entropy of what the lineage layer makes of
 * the heads' outputs (model/lineage_layer.h), so that the loss of a checkpoint says whether its model
 * has that layer. The formulas are in core/loss_formulas.h.
 *
 * To add one, add a row at the end of DT_LOSSES and its function there. Code that treats one loss
 * unlike another does so in a switch without default, which then does not compile until it has a
 * case.
 */
#ifndef DT_CORE_LOSS_H
#define DT_CORE_LOSS_H

/* LOSS(DT_LOSS_…, name): the name is that of --loss-type, and of the function dt_loss_<name>.
 * Checkpoints hold the number: never reorder. */
#define DT_LOSSES(LOSS)                                                                            \
    LOSS(CROSS_ENTROPY, cross_entropy)                                                             \
    LOSS(FOCAL, focal)                                                                             \
    LOSS(LINEAGE, lineage)

#define DT_LOSS_ENUMERATOR(enumerator, name) DT_LOSS_##enumerator,
typedef enum { DT_LOSSES(DT_LOSS_ENUMERATOR) } dt_loss_type;
#undef DT_LOSS_ENUMERATOR

/* The names with '|' between, as an option's choices: "cross_entropy|focal". */
#define DT_LOSS_BAR_NAME(enumerator, name) "|" #name
#define DT_LOSS_CHOICES (&(DT_LOSSES(DT_LOSS_BAR_NAME))[1])

static inline const char *dt_loss_type_name(dt_loss_type type)
{
#define DT_LOSS_NAME(enumerator, name) #name,
    static const char *const names[] = {DT_LOSSES(DT_LOSS_NAME)};
#undef DT_LOSS_NAME
    return names[type];
}

#endif
