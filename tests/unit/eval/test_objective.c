/* Class weights from the training part, and from --focal-weight; what losses are divided by. */
#include <math.h>

#include "eval/objective.h"
#include "test.h"

enum { TAX_RANKS = 2, SEQUENCES = 8 };

/* Genus: classes 0 0 0 1 0 1 | 2 2, species: 0 1 1 1 2 3 | 0 1; the last two validate. Class 4 of
 * species is nobody's. */
static int32_t labels[SEQUENCES * TAX_RANKS] = {0, 0, 0, 1, 0, 1, 1, 1, 0, 2, 1, 3, 2, 0, 2, 1};
static const dt_dataset dataset = {.labels = labels, .taxonomy.tax_ranks = TAX_RANKS};
static int64_t training[] = {5, 0, 3, 2, 1, 4};
static int64_t validation[] = {6, 7};

static dt_run run_of(dt_loss_type type, dt_class_weights weights)
{
    static dt_taxonomy taxonomy = {
        .tax_ranks = TAX_RANKS,
        .rank = {{.name = "genus", .classes = 3}, {.name = "species", .classes = 5}}};
    return (dt_run){
        .config = {.tax_ranks = TAX_RANKS, .classes = {3, 5}},
        .taxonomy = taxonomy,
        .settings = {.batch_size = 4,
                     .loss_type = type,
                     .focal_gamma = 2.0,
                     .class_weights = weights,
                     .level_weight_count = TAX_RANKS,
                     .level_weight = {1.0, 3.0}},
        .split = {.training_count = 6,
                  .validation_count = 2,
                  .training = training,
                  .validation = validation},
    };
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-12 * (1.0 + fabs(b))))
        fail_msg("%.15g is not %.15g", a, b);
}

static void class_weights_come_from_the_training_part(void **state)
{
    (void)state;
    /* genus: 4, 2 and 0 of 6 in 3 classes; species: 1, 3, 1, 1 and 0 of 6 in 5 */
    const double inverse[] = {0.5, 1.0, 0.0, 1.2, 0.4, 1.2, 1.2, 0.0};
    for (int root = 0; root < 2; ++root) {
        dt_objective objective;
        const dt_run run = run_of(DT_LOSS_CROSS_ENTROPY,
                                  root ? DT_CLASS_WEIGHTS_SQRT_INVERSE : DT_CLASS_WEIGHTS_INVERSE);
        ASSERT_OK(dt_objective_create(&objective, &run, &dataset));
        for (int c = 0; c < 8; ++c)
            near(objective.class_weight[c], root ? sqrt(inverse[c]) : inverse[c]);
        dt_objective_free(&objective);
    }
    dt_objective objective;
    const dt_run run = run_of(DT_LOSS_FOCAL, DT_CLASS_WEIGHTS_NONE);
    ASSERT_OK(dt_objective_create(&objective, &run, &dataset));
    assert_null(objective.class_weight);
    dt_objective_free(&objective);
}

/* N / (C · n) is of the N sequences that have a label. */
static void unlabelled_sequences_do_not_count(void **state)
{
    (void)state;
    int32_t some[sizeof labels / sizeof *labels];
    int64_t own[3] = {0};
    dt_objective objective;
    const dt_run run = run_of(DT_LOSS_CROSS_ENTROPY, DT_CLASS_WEIGHTS_INVERSE);
    memcpy(some, labels, sizeof some);
    some[training[0] * TAX_RANKS] = -1;
    for (int i = 1; i < 6; ++i)
        own[some[training[i] * TAX_RANKS]]++;
    const dt_dataset partly = {.labels = some, .taxonomy.tax_ranks = TAX_RANKS};
    ASSERT_OK(dt_objective_create(&objective, &run, &partly));
    for (int c = 0; c < 2; ++c)
        near(objective.class_weight[c], 5.0 / (3.0 * (double)own[c]));
    dt_objective_free(&objective);
}

static void check_scale(dt_loss_type type, dt_class_weights weights, bool sum, double genus,
                        double species)
{
    const int64_t batch[] = {1, 3, 4}; /* genus 0 1 0, species 1 1 2 */
    dt_objective objective;
    dt_run run = run_of(type, weights);
    double scale[DT_MAX_TAX_RANKS];
    run.settings.focal_sum = sum;
    ASSERT_OK(dt_objective_create(&objective, &run, &dataset));
    dt_objective_scale(scale, &objective, &dataset, batch, 3, 2);
    near(scale[0], genus / 2.0);
    near(scale[1], 3.0 * species / 2.0);
    dt_objective_free(&objective);
}

static void losses_are_divided_as_defined(void **state)
{
    (void)state;
    check_scale(DT_LOSS_CROSS_ENTROPY, DT_CLASS_WEIGHTS_NONE, false, 1.0 / 3.0, 1.0 / 3.0);
    check_scale(DT_LOSS_CROSS_ENTROPY, DT_CLASS_WEIGHTS_NONE, true, 1.0 / 3.0, 1.0 / 3.0);
    check_scale(DT_LOSS_CROSS_ENTROPY, DT_CLASS_WEIGHTS_INVERSE, false, 1.0 / 2.0, 1.0 / 2.0);
    check_scale(DT_LOSS_FOCAL, DT_CLASS_WEIGHTS_INVERSE, false, 1.0 / 3.0, 1.0 / 3.0);
    check_scale(DT_LOSS_FOCAL, DT_CLASS_WEIGHTS_INVERSE, true, 1.0, 1.0);
}

/* The loss of sequences at one rank. */
static double loss_of(const dt_objective *objective, int32_t r, const int64_t *sequences,
                      int32_t count, const float *ce)
{
    dt_set_loss set = {0};
    for (int32_t i = 0; i < count; ++i)
        dt_set_loss_add(&set, objective, r, labels[sequences[i] * TAX_RANKS + r], ce[i]);
    return dt_set_loss_result(&set, objective, r);
}

static bool weighs(const dt_objective *objective, const int64_t *sequences, int32_t count)
{
    dt_set_loss set[TAX_RANKS] = {0};
    for (int32_t i = 0; i < count * TAX_RANKS; ++i)
        dt_set_loss_add(&set[i % TAX_RANKS], objective, i % TAX_RANKS,
                        labels[sequences[i / TAX_RANKS] * TAX_RANKS + i % TAX_RANKS], 1.0F);
    return dt_set_loss_weighs(set, objective);
}

/* Classes that were never trained on weigh nothing in the validation loss, and a rank of such
 * classes alone is no loss. */
static void a_set_is_measured_like_one_batch(void **state)
{
    (void)state;
    const float ce[] = {2.0F, 0.5F};
    dt_objective objective;
    dt_run run = run_of(DT_LOSS_CROSS_ENTROPY, DT_CLASS_WEIGHTS_INVERSE);
    ASSERT_OK(dt_objective_create(&objective, &run, &dataset));
    near(loss_of(&objective, 1, validation, 2, ce), 3.0 * (1.2 * 2.0 + 0.4 * 0.5) / 1.6);
    near(loss_of(&objective, 0, validation, 2, ce), 0.0);
    dt_objective_free(&objective);
    run = run_of(DT_LOSS_FOCAL, DT_CLASS_WEIGHTS_NONE);
    const double sum = 2.0 * pow(1.0 - exp(-2.0), 2.0) + 0.5 * pow(1.0 - exp(-0.5), 2.0);
    ASSERT_OK(dt_objective_create(&objective, &run, &dataset));
    near(loss_of(&objective, 1, validation, 2, ce), 1.5 * sum);
    objective.gamma = 1.0;
    near(loss_of(&objective, 1, validation, 2, ce),
         1.5 * (2.0 * (1.0 - exp(-2.0)) + 0.5 * (1.0 - exp(-0.5))));
    objective.gamma = 2.0;
    objective.focal_sum = true; /* an average batch of 4 */
    near(loss_of(&objective, 1, validation, 2, ce), 6.0 * sum);
    dt_objective_free(&objective);
}

/* No genus of the validating sequences was trained on; their species were. */
static void a_set_weighs_by_its_labels_and_the_level_weights(void **state)
{
    (void)state;
    const int64_t with_known[] = {6, 0, 7};
    dt_objective objective;
    dt_run run = run_of(DT_LOSS_CROSS_ENTROPY, DT_CLASS_WEIGHTS_INVERSE);
    ASSERT_OK(dt_objective_create(&objective, &run, &dataset));
    assert_true(weighs(&objective, validation, 2));
    objective.level_weight[1] = 0.0;
    assert_false(weighs(&objective, validation, 2));
    assert_true(weighs(&objective, with_known, 3));
    objective.classes.first[1] = 1; /* a rank of one class alone has the loss 0, as it should */
    assert_true(weighs(&objective, validation, 2));
    objective.level_weight[1] = 1.0;
    for (int32_t c = 1; c < 8; ++c) /* and says nothing beside one that is learnt */
        objective.class_weight[c] = 0.0;
    assert_false(weighs(&objective, with_known, 3));
    dt_objective_free(&objective);
    run = run_of(DT_LOSS_CROSS_ENTROPY, DT_CLASS_WEIGHTS_NONE);
    ASSERT_OK(dt_objective_create(&objective, &run, &dataset));
    assert_true(weighs(&objective, validation, 2));
    dt_objective_free(&objective);
}

static void check_lists(const char *text, const char *message)
{
    dt_objective objective;
    char list[128];
    dt_run run = run_of(DT_LOSS_FOCAL, DT_CLASS_WEIGHTS_NONE);
    snprintf(list, sizeof list, "%s", text);
    run.settings.focal_weight = list;
    const dt_status status = dt_objective_create(&objective, &run, &dataset);
    if (!message) {
        const double wanted[] = {1.0, 0.5, 2.0, 1.0, 2.0, 3.0, 0.0, 0.25};
        ASSERT_OK(status);
        for (int c = 0; c < 8; ++c)
            near(objective.class_weight[c], wanted[c]);
        dt_objective_free(&objective);
        return;
    }
    assert_int_equal(status, DT_ERR_USAGE);
    if (!strstr(dt_error_message(), message))
        fail_msg("'%s' is not in: %s", message, dt_error_message());
}

static void focal_weights_are_lists(void **state)
{
    (void)state;
    check_lists("1,0.5,2;1,2,3,0,0.25", NULL);
    check_lists(" 1, 0.5 ,2 ; 1,2,3,0, 25e-2", NULL);
    check_lists("1,1,1", "a single list, but genus has 3 labels and species has 5");
    check_lists("1,1;1,2,3,4,5", "2 weights for the 3 labels of genus");
    check_lists("1,1,1;1,2,3,4,5,6", "6 weights for the 5 labels of species");
    check_lists("1,1,1;1,2,3,4,5;1", "more lists than taxonomic ranks (2)");
    check_lists("1,-1,1;1,2,3,4,5", "invalid weight '-1' at genus");
    check_lists("1,nan,1;1,2,3,4,5", "invalid weight 'nan' at genus");
    check_lists("1, ,1;1,2,3,4,5", "invalid weight ' ' at genus");
    check_lists("1,,1;1,2,3,4,5", "invalid weight '' at genus");
    check_lists("1,1,1;1,2,x,4,5", "invalid weight 'x' at species");
    dt_taxonomy equal = {.tax_ranks = 2, .rank = {{.classes = 2}, {.classes = 2}}};
    double weight[4];
    ASSERT_OK(dt_focal_weight_parse(weight, "3,4", &equal));
    near(weight[2], 3.0);
    near(weight[3], 4.0);
    equal.tax_ranks = 3;
    equal.rank[2].classes = 2;
    assert_int_equal(dt_focal_weight_parse(weight, "3,4;1,2", &equal), DT_ERR_USAGE);
    assert_non_null(strstr(dt_error_message(), "fewer lists than taxonomic ranks (3)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_weights_come_from_the_training_part),
        cmocka_unit_test(unlabelled_sequences_do_not_count),
        cmocka_unit_test(losses_are_divided_as_defined),
        cmocka_unit_test(a_set_is_measured_like_one_batch),
        cmocka_unit_test(a_set_weighs_by_its_labels_and_the_level_weights),
        cmocka_unit_test(focal_weights_are_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
