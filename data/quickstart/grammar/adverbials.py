"""Tables of adverbials: times, frequencies, durations and means of transport."""

from grammar.lexicon import DAYS
from grammar.words import Triple

PAST_TIMES: tuple[Triple, ...] = (
    Triple("yesterday", "gestern", "昨天"),
    Triple("yesterday evening", "gestern Abend", "昨天晚上"),
    Triple("this morning", "heute Morgen", "今天早上"),
    Triple("last week", "letzte Woche", "上个星期"),
    Triple("last weekend", "letztes Wochenende", "上个周末"),
    Triple("two days ago", "vor zwei Tagen", "两天前"),
    Triple("an hour ago", "vor einer Stunde", "一个小时前"),
    *(Triple(f"last {day.en}", f"letzten {day.de}", f"上个{day.zh}") for day in DAYS),
)
FUTURE_TIMES: tuple[Triple, ...] = (
    Triple("tomorrow", "morgen", "明天"),
    Triple("tomorrow evening", "morgen Abend", "明天晚上"),
    Triple("this evening", "heute Abend", "今天晚上"),
    Triple("next week", "nächste Woche", "下个星期"),
    Triple("in two days", "in zwei Tagen", "两天后"),
    *(Triple(f"next {day.en}", f"nächsten {day.de}", f"下个{day.zh}") for day in DAYS),
)
HABIT_TIMES: tuple[Triple, ...] = (
    Triple("every day", "jeden Tag", "每天"),
    Triple("every morning", "jeden Morgen", "每天早上"),
    Triple("every evening", "jeden Abend", "每天晚上"),
    Triple("every week", "jede Woche", "每个星期"),
    Triple("in the morning", "am Morgen", "早上"),
    Triple("in the evening", "am Abend", "晚上"),
    Triple("in summer", "im Sommer", "夏天"),
    Triple("in winter", "im Winter", "冬天"),
    *(Triple(f"every {day.en}", f"jeden {day.de}", f"每个{day.zh}") for day in DAYS),
)
FREQUENCIES: tuple[Triple, ...] = (
    Triple("often", "oft", "经常"),
    Triple("always", "immer", "总是"),
    Triple("sometimes", "manchmal", "有时候"),
    Triple("usually", "meistens", "通常"),
    Triple("rarely", "selten", "很少"),
    Triple("never", "nie", "从不"),
)
DURATIONS: tuple[Triple, ...] = (
    Triple("for an hour", "eine Stunde lang", "一个小时"),
    Triple("for two hours", "zwei Stunden lang", "两个小时"),
    Triple("for three hours", "drei Stunden lang", "三个小时"),
    Triple("for ten minutes", "zehn Minuten lang", "十分钟"),
    Triple("for half an hour", "eine halbe Stunde lang", "半个小时"),
)
VEHICLES: tuple[Triple, ...] = (
    Triple("by bus", "mit dem Bus", "坐公共汽车"),
    Triple("by train", "mit dem Zug", "坐火车"),
    Triple("by car", "mit dem Auto", "开车"),
    Triple("by bicycle", "mit dem Fahrrad", "骑自行车"),
    Triple("by taxi", "mit dem Taxi", "坐出租车"),
    Triple("by tram", "mit der Straßenbahn", "坐电车"),
)
