#include "suite.h"

#include <string.h>

#include "recipe.h"
#include "resolve.h"

static struct recipe parse(const char *text)
{
    struct recipe recipe;
    struct error err = {0};
    if (!recipe_parse("r.yml", text, strlen(text), &recipe, &err))
        ck_abort_msg("%s", err.text);
    return recipe;
}

START_TEST(models_are_one_slice)
{
    struct recipe r = parse("merge_method: linear\n"
                            "models:\n"
                            "  - model: ./a\n"
                            "    parameters: {weight: 1e-5}\n"
                            "  - {model: org/b, parameters: {weight: [0, .5, 1]}}\n"
                            "parameters:\n"
                            "  normalize: no\n"
                            "dtype: bfloat16\n"
                            "out_dtype: torch.float32\n"
                            "tokenizer_source: null\n");
    ck_assert_str_eq(r.method->name, "linear");
    ck_assert(r.n_slices == 1 && !r.is_sliced && r.slices[0].n_inputs == 2);
    ck_assert(r.dtype == DTYPE_BF16 && r.out_dtype == DTYPE_F32 && r.semantics == MERGE_LANCET);
    const struct recipe_input *inputs = r.slices[0].inputs;
    ck_assert_str_eq(inputs[1].model, "org/b");
    ck_assert(inputs[1].place.line == 5 && inputs[1].place.column == 5);
    const struct recipe_value *weight = &inputs[0].parameters.items[0].value;
    ck_assert(weight->kind == VALUE_NUMBER && weight->number == 1e-5);
    weight = &inputs[1].parameters.items[0].value;
    ck_assert(weight->kind == VALUE_GRADIENT && weight->n_knots == 3 && weight->knots[1] == 0.5);
    ck_assert(r.parameters.items[0].value.kind == VALUE_BOOL && r.parameters.items[0].value.number == 0);
    recipe_release(&r);
}
END_TEST

START_TEST(modules_default_is_the_same)
{
    struct recipe r = parse("merge_method: passthrough\n"
                            "semantics: mergekit\n"
                            "modules:\n"
                            "  default:\n"
                            "    slices:\n"
                            "      - sources: [{model: a, layer_range: [1, 3]}]\n"
                            "        base_model: b\n"
                            "    parameters: {scale: 2}\n");
    ck_assert(r.is_sliced && r.n_slices == 1 && r.semantics == MERGE_MERGEKIT);
    ck_assert(r.slices[0].inputs[0].first_layer == 1 && r.slices[0].inputs[0].end_layer == 3);
    ck_assert_str_eq(r.slices[0].base, "b");
    ck_assert(r.module_parameters.n == 1 && r.parameters.n == 0);
    recipe_release(&r);
}
END_TEST

START_TEST(conditions_have_numbers)
{
    struct recipe r = parse("merge_method: linear\n"
                            "models:\n"
                            "  - model: a\n"
                            "    parameters:\n"
                            "      weight:\n"
                            "        - {filter: mlp, value: [0, 1]}\n"
                            "        - {filter: '*', value: 0.5}\n"
                            "parameters:\n"
                            "  weight: {value: 2}\n"
                            "  normalize: {filter: norm, value: false}\n");
    const struct recipe_value *weight = &r.slices[0].inputs[0].parameters.items[0].value;
    ck_assert(weight->kind == VALUE_CONDITIONS && weight->n_conditions == 2 && r.n_conditions == 4);
    ck_assert_str_eq(weight->conditions[0].filter, "mlp");
    ck_assert(weight->conditions[0].place.line == 6 && weight->conditions[0].value.kind == VALUE_GRADIENT);
    ck_assert(!weight->conditions[1].filter && weight->conditions[1].id == 1);
    const struct recipe_value *normalize = &r.parameters.items[1].value;
    ck_assert(normalize->n_conditions == 1 && normalize->conditions[0].value.kind == VALUE_BOOL);
    recipe_release(&r);
}
END_TEST

START_TEST(flags_say_the_same_as_yaml)
{
    static const char *const models[] = {"./a:0.3", "dir:with/colon", "org/b:-2"};
    static const char *const parameters[] = {"weight=[{filter: mlp, value: 1}, {value: 0.5}]", "lambda=0.7"};
    struct recipe_flags flags = {.method = "task_arithmetic",
                                 .base = "ba\"se",
                                 .models = models,
                                 .n_models = 3,
                                 .parameters = parameters,
                                 .n_parameters = 2,
                                 .out_dtype = "float16",
                                 .semantics = "mergekit",
                                 .untie = true};
    struct recipe r;
    struct error err = {0};
    ck_assert_msg(recipe_from_flags(&flags, &r, &err), "%s", err.text);
    struct recipe again = parse(r.text);
    const struct recipe *both[] = {&r, &again};
    for (int i = 0; i < 2; i++) {
        const struct recipe_input *inputs = both[i]->slices[0].inputs;
        ck_assert_str_eq(both[i]->base, "ba\"se");
        ck_assert_str_eq(inputs[0].model, "./a");
        ck_assert_str_eq(inputs[1].model, "dir:with/colon");
        ck_assert_str_eq(inputs[2].model, "org/b");
        ck_assert(inputs[0].parameters.items[0].value.number == 0.3 && inputs[1].parameters.n == 0 &&
                  inputs[2].parameters.items[0].value.number == -2);
        ck_assert(both[i]->parameters.n == 2 && both[i]->parameters.items[1].value.number == 0.7);
        ck_assert(both[i]->parameters.items[0].value.n_conditions == 2 && both[i]->n_conditions == 2);
        ck_assert(both[i]->out_dtype == DTYPE_F16 && both[i]->dtype == DTYPE_COUNT && both[i]->untie &&
                  both[i]->semantics == MERGE_MERGEKIT);
    }
    recipe_release(&again);
    recipe_release(&r);
}
END_TEST

START_TEST(bad_flags_are_refused)
{
    static const struct {
        const char *method, *model, *parameter, *sentence;
    } cases[] = {
        {"slerp", "a:0.5", NULL, "\"a:0.5\": slerp has no number for each model"},
        {"linear", "a:1", "weight", "\"weight\" is not NAME=VALUE"},
        {"linear", "a:1", "weight=", "\"weight=\" gives no value"},
        {"linear", "a:1", "wieght=1", "unknown parameter \"wieght\", did you mean \"weight\"?"},
        {"linear", "a:1", "weight=[1", "\"weight=[1\":2:1: "},
        {"linear", "a:1", "normalize=2", "normalize is \"2\", and must be true or false"},
        {"liner", "a:1", NULL, "unknown merge method \"liner\", did you mean \"linear\"?"},
        {"linear", "", NULL, "\"\" names no model"},
        {"linear", "code:nan", NULL, "weight nan of \"code:nan\" is not a finite number"},
        {"linear", "code:-inf", NULL, "weight -inf of \"code:-inf\" is not a finite number"},
        {"linear", "code:.NaN", NULL, "weight .NaN of \"code:.NaN\" is not a finite number"},
        {"linear", "code:1e999", NULL, "weight 1e999 of \"code:1e999\" is not a finite number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipe_flags flags = {.method = cases[i].method,
                                     .models = &cases[i].model,
                                     .n_models = 1,
                                     .parameters = &cases[i].parameter,
                                     .n_parameters = cases[i].parameter != NULL};
        struct recipe r;
        struct error err = {0};
        ck_assert(!recipe_from_flags(&flags, &r, &err));
        ck_assert_int_eq(err.kind, ERROR_USAGE);
        if (strncmp(err.text, cases[i].sentence, strlen(cases[i].sentence)) != 0)
            ck_abort_msg("%s, expected %s", err.text, cases[i].sentence);
    }
}
END_TEST

/* As mergekit has it: the first of source, slice, module, global, default that gives a value. */
START_TEST(the_nearest_value_wins)
{
    struct recipe r = parse("merge_method: linear\n"
                            "modules:\n"
                            "  default:\n"
                            "    slices:\n"
                            "      - sources:\n"
                            "          - model: a\n"
                            "            layer_range: [0, 2]\n"
                            "            parameters: {weight: {filter: one, value: [1, 2]}}\n"
                            "        parameters: {weight: {filter: two, value: 3}}\n"
                            "    parameters: {weight: {filter: three, value: 4}}\n"
                            "parameters: {weight: {filter: four, value: 5}}\n");
    static const struct {
        const char *name;
        enum value_level level;
        double value;
    } cases[] = {{"one.two", LEVEL_SOURCE, 1.25},
                 {"two.four", LEVEL_SLICE, 3},
                 {"x.three", LEVEL_MODULE, 4},
                 {"four", LEVEL_GLOBAL, 5},
                 {"five", LEVEL_MISSING, 0}};
    struct condition_hits hits[4] = {{0}};
    for (size_t i = 0; i < 5; i++) {
        struct resolved got = resolve_value(&r, &r.slices[0], &r.slices[0].inputs[0],
                                            &r.method->parameters[0], cases[i].name, 0.25, hits);
        ck_assert_msg(got.level == cases[i].level && got.number == cases[i].value, "%s: %s %g", cases[i].name,
                      value_level_name(got.level), got.number);
    }
    ck_assert(hits[1].fits == 2 && hits[1].wins == 1 && hits[3].fits == 2 && hits[3].wins == 1);
    struct resolved got = resolve_value(&r, &r.slices[0], NULL, &r.method->parameters[1], "five", 0, NULL);
    ck_assert(got.level == LEVEL_DEFAULT && got.number == 1);
    recipe_release(&r);
}
END_TEST

START_TEST(gradients_are_straight_between_knots)
{
    static const double knots[] = {0, 0.5, 0.3, 0.7, 1};
    ck_assert_double_eq(gradient_at(knots, 5, 0), 0);
    ck_assert_double_eq(gradient_at(knots, 5, 1), 1);
    ck_assert_double_eq(gradient_at(knots, 5, 0.25), 0.5);
    ck_assert_double_eq_tol(gradient_at(knots, 5, 0.375), 0.4, 1e-15);
    ck_assert_double_eq(gradient_at(knots + 1, 1, 0.7), 0.5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recipe");
    TCase *tc = tcase_create("recipe");
    tcase_add_test(tc, models_are_one_slice);
    tcase_add_test(tc, modules_default_is_the_same);
    tcase_add_test(tc, conditions_have_numbers);
    tcase_add_test(tc, flags_say_the_same_as_yaml);
    tcase_add_test(tc, bad_flags_are_refused);
    tcase_add_test(tc, the_nearest_value_wins);
    tcase_add_test(tc, gradients_are_straight_between_knots);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
