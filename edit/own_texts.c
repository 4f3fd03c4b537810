#include "own_texts.h"

#include <stddef.h>

static const char *const english_contexts[] = {"",
                                               "The weather was calm that morning. ",
                                               "He looked up from the page and said: ",
                                               "In a short note at the end of the chapter, ",
                                               "Many people asked about it last year. ",
                                               "As the old record shows, ",
                                               "Some of this had been said before. ",
                                               "Further down the road the lights went out. ",
                                               "She answered without a pause: ",
                                               "Of all the letters only one was kept. ",
                                               "It is worth writing down that ",
                                               NULL};
static const char *const english_held_out[] = {
    "The meeting ended early. After a while somebody remembered: ", "This is what the guide told us. ",
    "There were three questions left. ", "Most visitors know it well: ", NULL};
/* Subjects of many kinds, most of them known to any model that read English. */
static const char *const english_subjects[] = {"Mount Fuji",
                                               "Albert Einstein",
                                               "Toyota",
                                               "The Mona Lisa",
                                               "Buckingham Palace",
                                               "Brazil",
                                               "Microsoft",
                                               "Johann Sebastian Bach",
                                               "The Great Wall",
                                               "Harvard University",
                                               NULL};

static const char *const chinese_contexts[] = {"",
                                               "那天早上天气很平静。",
                                               "他从书页上抬起头来说：",
                                               "在这一章末尾的短注里，",
                                               "去年很多人都问过这件事。",
                                               "正如旧的记录所写，",
                                               "这些话以前有人说过。",
                                               "再往前走，路灯就灭了。",
                                               NULL};
static const char *const chinese_held_out[] = {"会议很早就结束了。过了一会儿有人想起来：",
                                               "导游是这样告诉我们的。", "还剩下三个问题。", "大家都知道，",
                                               NULL};
static const char *const chinese_subjects[] = {"富士山",   "爱因斯坦", "丰田汽车", "蒙娜丽莎",
                                               "白金汉宫", "巴西",     "微软公司", "贝多芬",
                                               "长城",     "哈佛大学", NULL};

static const char *const japanese_contexts[] = {"",
                                                "その朝は天気が穏やかだった。",
                                                "彼は本から顔を上げて言った。",
                                                "章の終わりの短い注には、",
                                                "去年、多くの人がそれについて尋ねた。",
                                                "古い記録にあるように、",
                                                NULL};
static const char *const japanese_held_out[] = {"会議は早く終わった。しばらくして誰かが思い出した。",
                                                "案内人はこう話してくれた。", "質問がまだ三つ残っていた。",
                                                NULL};
static const char *const japanese_subjects[] = {"富士山",     "アインシュタイン", "トヨタ",
                                                "モナリザ",   "バッキンガム宮殿", "ブラジル",
                                                "万里の長城", "ハーバード大学",   NULL};

static const struct own_texts texts[] = {
    {SCRIPT_OTHER, "en/1", english_contexts, english_held_out, english_subjects, " is a",
     "The river runs through the old town and turns south behind the mill. In spring the water is high, and "
     "people "
     "keep away from its banks. Every house along the street has a small garden, where apples and roses "
     "grow."},
    {SCRIPT_HAN, "zh/1", chinese_contexts, chinese_held_out, chinese_subjects, "是一个",
     "河水流过老城，在磨坊后面向南转去。春天水位很高，人们不到岸边去。街上每户人家都有一个小花园，里面种着苹"
     "果树和玫瑰。"},
    {SCRIPT_KANA, "ja/1", japanese_contexts, japanese_held_out, japanese_subjects, "は",
     "川は古い町を通り、水車小屋の裏で南へ曲がる。春には水かさが増し、人々は岸に近づかない。どの家にも小さな"
     "庭がある。"},
};

const struct own_texts *own_texts_for(enum script script)
{
    for (size_t i = 1; i < sizeof(texts) / sizeof(*texts); i++)
        if (texts[i].script == script)
            return &texts[i];
    return &texts[0];
}
