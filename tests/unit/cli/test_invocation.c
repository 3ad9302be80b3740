/* A command line and its options, as the log and the metrics tell them. */
#include "test.h"

#include "cli/invocation.h"
#include "cli/train_options.h"

/* NULL ends the words. */
static dt_invocation invocation_of(bool given_only, const char *const *words)
{
    static char copies[16][64];
    static char *argv[17];
    static dt_train_options options;
    int argc = 0;
    for (; words[argc]; ++argc) {
        snprintf(copies[argc], sizeof copies[argc], "%s", words[argc]);
        argv[argc] = copies[argc];
    }
    dt_invocation invocation;
    ASSERT_OK(dt_options_parse(&dt_train_command, argc, argv, &options));
    ASSERT_OK(dt_invocation_of(&options, given_only, "here", &invocation));
    return invocation;
}

/* The value of an option; fails where it is not listed. */
static const char *value_of(const dt_invocation *invocation, const char *name)
{
    for (int32_t i = 0; i < invocation->options; ++i)
        if (strcmp(invocation->option[i].name, name) == 0)
            return invocation->option[i].value;
    fail_msg("no option %s", name);
    return NULL;
}

static const char *const words[] = {"deeptaxa-train",
                                    "--fasta-file",
                                    "it's a.fasta",
                                    "--taxonomy-file",
                                    "t.tsv",
                                    "--output-dir=out put",
                                    "--kernel-sizes",
                                    "3",
                                    "9",
                                    "--level-weights",
                                    "1,0.5",
                                    "--mask-padding",
                                    "--loss-type",
                                    "focal",
                                    NULL};

static void the_command_line_can_be_given_to_a_shell(void **state)
{
    (void)state;
    dt_invocation invocation = invocation_of(false, words);
    assert_string_equal(invocation.command_line,
                        "deeptaxa train --fasta-file 'it'\\''s a.fasta' --taxonomy-file t.tsv "
                        "'--output-dir=out put' --kernel-sizes 3 9 --level-weights 1,0.5 "
                        "--mask-padding --loss-type focal");
    dt_invocation_free(&invocation);
}

static void all_options_have_their_values(void **state)
{
    (void)state;
    dt_invocation invocation = invocation_of(false, words);
    assert_string_equal(value_of(&invocation, "output-dir"), "'out put'");
    assert_string_equal(value_of(&invocation, "kernel-sizes"), "3 9");
    assert_string_equal(value_of(&invocation, "level-weights"), "1 0.5");
    assert_string_equal(value_of(&invocation, "mask-padding"), "true");
    assert_string_equal(value_of(&invocation, "loss-type"), "focal");
    /* defaults */
    assert_string_equal(value_of(&invocation, "learning-rate"), "0.0005");
    assert_string_equal(value_of(&invocation, "epochs"), "10");
    assert_string_equal(value_of(&invocation, "verbose"), "false");
    assert_string_equal(value_of(&invocation, "device"), "auto");
    assert_null(value_of(&invocation, "tokenizer-file"));
    dt_invocation_free(&invocation);
}

/* In a resumed run the checkpoint decides the rest. */
static void given_options_alone(void **state)
{
    (void)state;
    dt_invocation invocation = invocation_of(true, words);
    assert_int_equal(invocation.options, 7);
    assert_string_equal(value_of(&invocation, "taxonomy-file"), "t.tsv");
    dt_invocation_free(&invocation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_line_can_be_given_to_a_shell),
        cmocka_unit_test(all_options_have_their_values),
        cmocka_unit_test(given_options_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
