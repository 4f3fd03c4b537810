/* BERT (Google 2018), RoBERTa (Facebook 2019) and DistilBERT (Hugging Face 2019), as transformers'
 * modeling_bert.py, modeling_roberta.py and modeling_distilbert.py compute them: encoders, whose every token
 * sees all others; norms of the stream behind each add, and of the embedding, none before. Every token has
 * token type 0. The head gives logits for the place of each token: decoder(norm(act(dense x))), the decoder
 * being the embedding with a bias; many files leave it out. */
#include "architecture.h"

#include <string.h>

static const struct size_keys bert_keys = {
    .width = "hidden_size",
    .n_layers = "num_hidden_layers",
    .n_heads = "num_attention_heads",
    .ff = "intermediate_size",
    .context = "max_position_embeddings",
};
static const struct size_defaults bert_defaults = {
    .width = 768, .n_layers = 12, .n_heads = 12, .vocabulary = 30522, .context = 512, .ff = 3072};

static bool read_either(struct config_reader *reader, struct model_config *out)
{
    static const char *const refused[] = {"is_decoder", "add_cross_attention", NULL};
    const cJSON *positions = config_find(reader, "position_embedding_type");

    out->norm = NORM_LAYER;
    out->encoder = true;
    if (positions && !(cJSON_IsString(positions) && strcmp(positions->valuestring, "absolute") == 0))
        return error_set(reader->err, ERROR_UNSUPPORTED,
                         "%s: position_embedding_type is not \"absolute\", which lancet does not compute",
                         reader->name);
    return config_refuse(reader, refused) && config_sizes(reader, &bert_keys, &bert_defaults, out) &&
           config_activation(reader, "hidden_act", "gelu", &out->activation) &&
           config_number_or(reader, "layer_norm_eps", 1e-12, &out->norm_eps) &&
           config_size_or(reader, "type_vocab_size", CONFIG_MAX_CONTEXT, 2, &out->token_types) &&
           config_bool_or(reader, "tie_word_embeddings", true, &out->tied);
}

static bool read_bert(struct config_reader *reader, struct model_config *out)
{
    if (!read_either(reader, out))
        return false;
    out->head_activation = out->activation;
    return true;
}

/* The first position is the one behind the padding token's id. */
static bool read_roberta(struct config_reader *reader, struct model_config *out)
{
    const cJSON *padding = config_find(reader, "pad_token_id");
    double id = cJSON_IsNumber(padding) ? padding->valuedouble : 1;

    if (!read_either(reader, out) || !activation_parse("gelu", &out->head_activation))
        return false;
    if (!(id >= 0 && id + 1 < (double)out->context))
        return error_set(reader->err, ERROR_FORMAT,
                         "%s: pad_token_id must be below max_position_embeddings, which is %zu", reader->name,
                         out->context);
    out->padded = true;
    out->padding = (uint32_t)id;
    out->context -= (size_t)out->padding + 1;
    return true;
}

static const struct size_keys distilbert_keys = {
    .width = "dim",
    .n_layers = "n_layers",
    .n_heads = "n_heads",
    .ff = "hidden_dim",
    .context = "max_position_embeddings",
};

static bool read_distilbert(struct config_reader *reader, struct model_config *out)
{
    static const struct size_defaults defaults = {
        .width = 768, .n_layers = 6, .n_heads = 12, .vocabulary = 30522, .context = 512, .ff = 3072};

    out->norm = NORM_LAYER;
    out->encoder = true;
    out->norm_eps = 1e-12;
    if (!config_sizes(reader, &distilbert_keys, &defaults, out) ||
        !config_activation(reader, "activation", "gelu", &out->activation) ||
        !config_bool_or(reader, "tie_word_embeddings", true, &out->tied))
        return false;
    out->head_activation = out->activation;
    return true;
}

/* Weight and bias of a product. */
#define LINEAR(ROLE, NAME, OUT, IN)                                                                          \
    {MATRIX(ROLE, NAME ".weight", OUT, IN)},                                                                 \
    {                                                                                                        \
        VECTOR(ROLE_BIAS_OF(ROLE), NAME ".bias", OUT)                                                        \
    }
/* Of a norm; the oldest files call them gamma and beta. */
#define NORM(ROLE, NAME, ...)                                                                                \
    {VECTOR(ROLE, NAME ".weight", DIM_WIDTH), __VA_ARGS__},                                                  \
        {VECTOR(ROLE, NAME ".gamma", DIM_WIDTH), __VA_ARGS__},                                               \
        {VECTOR(ROLE_BIAS_OF(ROLE), NAME ".bias", DIM_WIDTH), __VA_ARGS__},                                  \
    {                                                                                                        \
        VECTOR(ROLE_BIAS_OF(ROLE), NAME ".beta", DIM_WIDTH), __VA_ARGS__                                     \
    }
#define ALWAYS .when = 0
#define MASKED .when = FEATURE_MASKED_HEAD, .whole = true
/* A head for masked tokens: product, norm, decoder. */
#define HEAD(DENSE, NORM_NAME, DECODER, BIAS)                                                                \
    {MATRIX(ROLE_HEAD_IN, DENSE ".weight", DIM_WIDTH, DIM_WIDTH), MASKED},                                   \
        {VECTOR(ROLE_HEAD_IN_BIAS, DENSE ".bias", DIM_WIDTH), MASKED},                                       \
        NORM(ROLE_HEAD_NORM, NORM_NAME, MASKED),                                                             \
        {MATRIX(ROLE_HEAD, DECODER ".weight", DIM_VOCABULARY, DIM_WIDTH)},                                   \
    {                                                                                                        \
        VECTOR(ROLE_HEAD_BIAS, BIAS, DIM_VOCABULARY), MASKED                                                 \
    }

#define LAYER "encoder.layer.{}."
static const struct tensor_role bert[] = {
    {MATRIX(ROLE_EMBEDDING, "embeddings.word_embeddings.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_POSITION, "embeddings.position_embeddings.weight", DIM_POSITIONS, DIM_WIDTH)},
    {MATRIX(ROLE_TOKEN_TYPE, "embeddings.token_type_embeddings.weight", DIM_TOKEN_TYPES, DIM_WIDTH)},
    NORM(ROLE_EMBEDDING_NORM, "embeddings.LayerNorm", ALWAYS),
    LINEAR(ROLE_QUERY, LAYER "attention.self.query", DIM_QUERY, DIM_WIDTH),
    LINEAR(ROLE_KEY, LAYER "attention.self.key", DIM_KV, DIM_WIDTH),
    LINEAR(ROLE_VALUE, LAYER "attention.self.value", DIM_KV, DIM_WIDTH),
    LINEAR(ROLE_ATTENTION_OUT, LAYER "attention.output.dense", DIM_WIDTH, DIM_QUERY),
    NORM(ROLE_MID_NORM, LAYER "attention.output.LayerNorm", ALWAYS),
    LINEAR(ROLE_UP, LAYER "intermediate.dense", DIM_FF, DIM_WIDTH),
    LINEAR(ROLE_DOWN, LAYER "output.dense", DIM_WIDTH, DIM_FF),
    NORM(ROLE_STATE_NORM, LAYER "output.LayerNorm", ALWAYS),
};
static const struct role_list body = ROLE_LIST(bert);

static const struct tensor_role bert_head[] = {
    {VECTOR(ROLE_HEAD_BIAS, "cls.predictions.decoder.bias", DIM_VOCABULARY), MASKED},
    HEAD("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder",
         "cls.predictions.bias"),
};
static const struct role_list bert_head_list = ROLE_LIST(bert_head), *const bert_tensors[] = {
                                                                         &body, &bert_head_list, NULL};
static const char *const bert_prefixes[] = {"bert.", "", NULL};

const struct architecture architecture_bert = {
    .model_type = "bert",
    .title = "BERT",
    .read_config = read_bert,
    .tensors = bert_tensors,
    .prefixes = bert_prefixes,
};

static const struct tensor_role roberta_head[] = {
    {VECTOR(ROLE_HEAD_BIAS, "lm_head.decoder.bias", DIM_VOCABULARY), MASKED},
    HEAD("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias"),
};
static const struct role_list roberta_head_list = ROLE_LIST(roberta_head), *const roberta_tensors[] = {
                                                                               &body, &roberta_head_list,
                                                                               NULL};
static const char *const roberta_prefixes[] = {"roberta.", "", NULL};

const struct architecture architecture_roberta = {
    .model_type = "roberta",
    .title = "RoBERTa",
    .read_config = read_roberta,
    .tensors = roberta_tensors,
    .prefixes = roberta_prefixes,
};

#define BLOCK "transformer.layer.{}."
static const struct tensor_role distilbert[] = {
    {MATRIX(ROLE_EMBEDDING, "embeddings.word_embeddings.weight", DIM_VOCABULARY, DIM_WIDTH)},
    {MATRIX(ROLE_POSITION, "embeddings.position_embeddings.weight", DIM_POSITIONS, DIM_WIDTH)},
    NORM(ROLE_EMBEDDING_NORM, "embeddings.LayerNorm", ALWAYS),
    LINEAR(ROLE_QUERY, BLOCK "attention.q_lin", DIM_QUERY, DIM_WIDTH),
    LINEAR(ROLE_KEY, BLOCK "attention.k_lin", DIM_KV, DIM_WIDTH),
    LINEAR(ROLE_VALUE, BLOCK "attention.v_lin", DIM_KV, DIM_WIDTH),
    LINEAR(ROLE_ATTENTION_OUT, BLOCK "attention.out_lin", DIM_WIDTH, DIM_QUERY),
    NORM(ROLE_MID_NORM, BLOCK "sa_layer_norm", ALWAYS),
    LINEAR(ROLE_UP, BLOCK "ffn.lin1", DIM_FF, DIM_WIDTH),
    LINEAR(ROLE_DOWN, BLOCK "ffn.lin2", DIM_WIDTH, DIM_FF),
    NORM(ROLE_STATE_NORM, BLOCK "output_layer_norm", ALWAYS),
    HEAD("vocab_transform", "vocab_layer_norm", "vocab_projector", "vocab_projector.bias"),
};
static const struct role_list distilbert_list = ROLE_LIST(distilbert), *const distilbert_tensors[] = {
                                                                           &distilbert_list, NULL};
static const char *const distilbert_prefixes[] = {"distilbert.", "", NULL};

const struct architecture architecture_distilbert = {
    .model_type = "distilbert",
    .title = "DistilBERT",
    .read_config = read_distilbert,
    .tensors = distilbert_tensors,
    .prefixes = distilbert_prefixes,
};
