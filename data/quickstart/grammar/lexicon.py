"""Tables of nouns, adjectives, places, days, names and numbers; the verbs are in `verbs`.

The columns of a noun: English singular, plural | German gender, noun, genitive ending, plural | Chinese measure word,
noun | tags | German feminine form of a person, if there is one. A genitive in -n or -en marks the weak declension.
"""

from grammar.words import Adjective, Gender, Noun, Place, Spot, Triple, Unit

_NOUNS = """
book, books | n Buch es Bücher | 本 书 | text compose goods small lie artifact thick lendable gift interest
newspaper, newspapers | f Zeitung - Zeitungen | 份 报纸 | text goods small lie interest
magazine, magazines | f Zeitschrift - Zeitschriften | 本 杂志 | text goods small lie interest
letter, letters | m Brief es Briefe | 封 信 | text compose small lie mail length showable
postcard, postcards | f Postkarte - Postkarten | 张 明信片 | text compose goods small lie mail fair showable
dictionary, dictionaries | n Wörterbuch es Wörterbücher | 本 词典 | goods small lie artifact thick lendable gift
story, stories | f Geschichte - Geschichten | 个 故事 | compose tale length interest
joke, jokes | m Witz es Witze | 个 笑话 | tale
poem, poems | n Gedicht s Gedichte | 首 诗 | compose length fair
song, songs | n Lied es Lieder | 首 歌 | compose audible fair
picture, pictures | n Bild es Bilder | 幅 画 | paintable goods showable size artifact fair
photo, photos | n Foto s Fotos | 张 照片 | small lie showable fair personal
map, maps | f Landkarte - Landkarten | 张 地图 | goods small lie showable artifact lendable
film, films | m Film s Filme | 部 电影 | watchable length interest
table, tables | m Tisch es Tische | 张 桌子 | furniture goods size artifact heavy color cleanable
chair, chairs | m Stuhl s Stühle | 把 椅子 | furniture goods artifact color
bed, beds | n Bett es Betten | 张 床 | furniture goods size artifact
shelf, shelves | n Regal s Regale | 个 书架 | furniture goods size artifact
cupboard, cupboards | m Schrank s Schränke | 个 柜子 | furniture goods size artifact heavy
fridge, fridges | m Kühlschrank s Kühlschränke | 台 冰箱 | furniture goods artifact size cleanable switchable
lamp, lamps | f Lampe - Lampen | 盏 灯 | switchable goods size artifact
bag, bags | f Tasche - Taschen | 个 包 | goods size artifact heavy color personal fair small stand
suitcase, suitcases | m Koffer s Koffer | 个 行李箱 | goods size artifact heavy color openable movable
box, boxes | f Kiste - Kisten | 个 箱子 | size heavy openable movable
key, keys | m Schlüssel s Schlüssel | 把 钥匙 | small lie personal
knife, knives | n Messer s Messer | 把 刀 | goods small lie artifact dish
cup, cups | f Tasse - Tassen | 个 杯子 | goods small stand color artifact dish fair
plate, plates | m Teller s Teller | 个 盘子 | goods small stand color artifact dish
bottle, bottles | f Flasche - Flaschen | 个 瓶子 | small stand openable
mirror, mirrors | m Spiegel s Spiegel | 面 镜子 | goods size artifact cleanable
blanket, blankets | f Decke - Decken | 条 毯子 | goods color artifact warm thick
car, cars | n Auto s Autos | 辆 汽车 | vehicle goods size artifact color fast washable paintable
bicycle, bicycles | n Fahrrad es Fahrräder | 辆 自行车 | vehicle goods artifact color lendable washable
motorcycle, motorcycles | n Motorrad es Motorräder | 辆 摩托车 | vehicle goods artifact color fast washable
ship, ships | n Schiff es Schiffe | 艘 船 | fast size artifact paintable sight
phone, phones | n Handy s Handys | 部 手机 | device goods small lie artifact personal switchable
computer, computers | m Computer s Computer | 台 电脑 | device goods artifact switchable small stand
camera, cameras | f Kamera - Kameras | 台 照相机 | device goods small lie artifact personal lendable
watch, watches | f Uhr - Uhren | 块 手表 | device goods small lie artifact personal gift fair
coat, coats | m Mantel s Mäntel | 件 大衣 | cloth goods artifact color warm washable personal thick
shirt, shirts | n Hemd es Hemden | 件 衬衫 | cloth goods artifact color washable
dress, dresses | n Kleid es Kleider | 条 连衣裙 | cloth goods artifact color length fair washable
skirt, skirts | m Rock s Röcke | 条 裙子 | cloth goods artifact color length fair washable
jacket, jackets | f Jacke - Jacken | 件 外套 | cloth goods artifact color warm washable personal thick
sweater, sweaters | m Pullover s Pullover | 件 毛衣 | cloth goods artifact color warm washable thick
hat, hats | m Hut es Hüte | 顶 帽子 | head goods artifact color personal fair
scarf, scarves | m Schal s Schals | 条 围巾 | head goods artifact color warm length personal gift
ring, rings | m Ring s Ringe | 枚 戒指 | head goods small lie artifact personal fair gift
umbrella, umbrellas | m Regenschirm s Regenschirme | 把 雨伞 | goods artifact color personal lendable
ball, balls | m Ball s Bälle | 个 球 | toy goods size color
doll, dolls | f Puppe - Puppen | 个 娃娃 | toy goods size fair gift
guitar, guitars | f Gitarre - Gitarren | 把 吉他 | goods artifact lendable
flower, flowers | f Blume - Blumen | 朵 花 | goods paintable color fair gift plant
rose, roses | f Rose - Rosen | 朵 玫瑰 | goods color fair gift plant
tree, trees | m Baum s Bäume | 棵 树 | paintable size plant
house, houses | n Haus es Häuser | 座 房子 | paintable size artifact color estate fair
door, doors | f Tür - Türen | 扇 门 | color openable
window, windows | n Fenster s Fenster | 扇 窗户 | size openable cleanable
ticket, tickets | f Fahrkarte - Fahrkarten | 张 车票 | small lie personal goods
gift, gifts | n Geschenk s Geschenke | 份 礼物 | goods small gift fair mail size
package, packages | n Paket s Pakete | 个 包裹 | mail heavy size openable movable
pencil, pencils | m Bleistift s Bleistifte | 支 铅笔 | goods small lie lendable
notebook, notebooks | n Heft es Hefte | 个 本子 | goods small lie thick artifact
apple, apples | m Apfel s Äpfel | 个 苹果 | food fruit size small lie fresh gift herb
pear, pears | f Birne - Birnen | 个 梨 | food fruit size small lie fresh
orange, oranges | f Orange - Orangen | 个 橙子 | food fruit size small lie fresh
banana, bananas | f Banane - Bananen | 根 香蕉 | food fruit small lie fresh
tomato, tomatoes | f Tomate - Tomaten | 个 西红柿 | food size small lie fresh
potato, potatoes | f Kartoffel - Kartoffeln | 个 土豆 | food size cookable
carrot, carrots | f Karotte - Karotten | 根 胡萝卜 | food fresh herb
egg, eggs | n Ei es Eier | 个 鸡蛋 | food fresh cookable size
cake, cakes | m Kuchen s Kuchen | 个 蛋糕 | food bakeable size tasty small stand
cookie, cookies | m Keks es Kekse | 块 饼干 | food bakeable tasty
sandwich, sandwiches | n Sandwich s Sandwiches | 个 三明治 | food tasty
pizza, pizzas | f Pizza - Pizzen | 个 比萨 | food bakeable tasty size
bread, - | n Brot es - | 片 面包 | food mass bakeable fresh tasty
cheese, - | m Käse s - | 块 奶酪 | food mass tasty lie cold
rice, - | m Reis es - | 碗 米饭 | food mass cookable
meat, - | n Fleisch es - | 块 肉 | food mass fresh cookable lie cold
fruit, - | n Obst es - | 份 水果 | food mass fresh
chocolate, - | f Schokolade - - | 块 巧克力 | food mass tasty
ice cream, - | n Eis es - | 个 冰淇淋 | food mass tasty
soup, - | f Suppe - - | 碗 汤 | mass cookable stand cold
coffee, - | m Kaffee s - | 杯 咖啡 | drink mass hot
tea, - | m Tee s - | 杯 茶 | drink mass hot
milk, - | f Milch - - | 杯 牛奶 | drink mass hot stand cold
water, - | n Wasser s - | 杯 水 | drink mass
juice, - | m Saft es - | 杯 果汁 | drink mass stand cold
beer, - | n Bier s - | 杯 啤酒 | drink mass stand cold
wine, - | m Wein s - | 杯 葡萄酒 | drink mass
dog, dogs | m Hund es Hunde | 只 狗 | animal pet size fur keen
cat, cats | f Katze - Katzen | 只 猫 | animal pet size fur keen
horse, horses | n Pferd es Pferde | 匹 马 | animal farm size fur fast keen grazer
cow, cows | f Kuh - Kühe | 头 牛 | animal farm size fur grazer
sheep, sheep | n Schaf es Schafe | 只 羊 | animal farm size fur grazer
pig, pigs | n Schwein s Schweine | 头 猪 | animal farm size grazer
bird, birds | m Vogel s Vögel | 只 鸟 | animal pet size feathers
duck, ducks | f Ente - Enten | 只 鸭子 | animal farm size fur
chicken, chickens | n Huhn s Hühner | 只 鸡 | animal farm size fur
rabbit, rabbits | n Kaninchen s Kaninchen | 只 兔子 | animal pet size fur grazer keen
mouse, mice | f Maus - Mäuse | 只 老鼠 | animal size fur
monkey, monkeys | m Affe n Affen | 只 猴子 | animal wild size
elephant, elephants | m Elefant en Elefanten | 头 大象 | animal wild size grazer
bear, bears | m Bär en Bären | 头 熊 | animal wild size fur
tiger, tigers | m Tiger s Tiger | 只 老虎 | animal wild size
man, men | m Mann es Männer | 个 男人 | person pointed
woman, women | f Frau - Frauen | 个 女人 | person pointed
boy, boys | m Junge n Jungen | 个 男孩 | person pointed young
girl, girls | n Mädchen s Mädchen | 个 女孩 | person pointed young unowned
child, children | n Kind es Kinder | 个 孩子 | person young unowned
guest, guests | m Gast es Gäste | 位 客人 | person unowned
nurse, nurses | f Krankenschwester - Krankenschwestern | 位 护士 | person worker
teacher, teachers | m Lehrer s Lehrer | 位 老师 | person worker job | Lehrerin
doctor, doctors | m Arzt es Ärzte | 位 医生 | person worker job | Ärztin
baker, bakers | m Bäcker s Bäcker | 位 面包师 | person worker job | Bäckerin
cook, cooks | m Koch s Köche | 位 厨师 | person worker job | Köchin
gardener, gardeners | m Gärtner s Gärtner | 位 园丁 | person worker job | Gärtnerin
farmer, farmers | m Bauer n Bauern | 位 农民 | person worker job | Bäuerin
student, students | m Student en Studenten | 位 大学生 | person job | Studentin
police officer, police officers | m Polizist en Polizisten | 位 警察 | person worker job | Polizistin
journalist, journalists | m Journalist en Journalisten | 位 记者 | person worker job | Journalistin
singer, singers | m Sänger s Sänger | 位 歌手 | person worker job star | Sängerin
painter, painters | m Maler s Maler | 位 画家 | person worker job star | Malerin
writer, writers | m Schriftsteller s Schriftsteller | 位 作家 | person worker job star | Schriftstellerin
musician, musicians | m Musiker s Musiker | 位 音乐家 | person worker job star | Musikerin
driver, drivers | m Fahrer s Fahrer | 位 司机 | person worker job | Fahrerin
engineer, engineers | m Ingenieur s Ingenieure | 位 工程师 | person worker job | Ingenieurin
lawyer, lawyers | m Anwalt s Anwälte | 位 律师 | person worker job | Anwältin
mechanic, mechanics | m Mechaniker s Mechaniker | 位 修理工 | person worker job | Mechanikerin
neighbor, neighbors | m Nachbar n Nachbarn | 位 邻居 | acquaintance | Nachbarin
friend, friends | m Freund es Freunde | 位 朋友 | acquaintance | Freundin
colleague, colleagues | m Kollege n Kollegen | 位 同事 | acquaintance | Kollegin
father, fathers | m Vater s Väter | 个 爸爸 | kin
mother, mothers | f Mutter - Mütter | 个 妈妈 | kin
brother, brothers | m Bruder s Brüder | 个 哥哥 | kin sibling
sister, sisters | f Schwester - Schwestern | 个 妹妹 | kin sibling
grandfather, grandfathers | m Großvater s Großväter | 个 爷爷 | kin
grandmother, grandmothers | f Großmutter - Großmütter | 个 奶奶 | kin
uncle, uncles | m Onkel s Onkel | 个 叔叔 | kin
aunt, aunts | f Tante - Tanten | 个 阿姨 | kin
son, sons | m Sohn es Söhne | 个 儿子 | kin offspring
daughter, daughters | f Tochter - Töchter | 个 女儿 | kin offspring
"""

_ADJECTIVES = """
red | redder | rot roter | 红色的 红色 是红色的 | color
blue | bluer | blau blauer | 蓝色的 蓝色 是蓝色的 | color
green | greener | grün grüner | 绿色的 绿色 是绿色的 | color -plant
yellow | yellower | gelb gelber | 黄色的 黄色 是黄色的 | color
black | blacker | schwarz schwärzer | 黑色的 黑色 是黑色的 | color fur -plant
white | whiter | weiß weißer | 白色的 白色 是白色的 | color fur
brown | browner | braun brauner | 棕色的 棕色 是棕色的 | color fur -plant
gray | grayer | grau grauer | 灰色的 灰色 是灰色的 | color fur -plant
big | bigger | groß größer | 大 大 很大 | size
small | smaller | klein kleiner | 小 小 很小 | size
new | newer | neu neuer | 新 新 很新 | artifact
old | older | alt älter | 旧 旧 很旧 | artifact
expensive | more expensive | teuer:teur teurer | 昂贵的 - 很贵 | artifact estate
cheap | cheaper | billig billiger | 便宜的 - 很便宜 | artifact
heavy | heavier | schwer schwerer | 很重的 - 很重 | heavy
warm | warmer | warm wärmer | 暖和的 - 很暖和 | warm
long | longer | lang länger | 很长的 - 很长 | length
short | shorter | kurz kürzer | 很短的 - 很短 | length
thick | thicker | dick dicker | 很厚的 - 很厚 | thick
thin | thinner | dünn dünner | 很薄的 - 很薄 | thick
beautiful | more beautiful | schön schöner | 漂亮的 - 很漂亮 | fair
interesting | more interesting | interessant interessanter | 有趣的 - 很有趣 | interest
boring | more boring | langweilig langweiliger | 无聊的 - 很无聊 | interest
fast | faster | schnell schneller | 很快的 - 很快 | fast
clean | cleaner | sauber sauberer | 干净的 - 很干净 | dish cloth cleanable
dirty | dirtier | schmutzig schmutziger | 很脏的 - 很脏 | dish cloth vehicle cleanable
fresh | fresher | frisch frischer | 新鲜的 - 很新鲜 | fresh
delicious | more delicious | lecker leckerer | 好吃的 - 很好吃 | tasty fruit
hot | hotter | heiß heißer | 热 - 很热 | hot
hungry | hungrier | hungrig hungriger | 饥饿的 - 很饿 | animal
clever | cleverer | klug klüger | 聪明的 - 很聪明 | keen person
strong | stronger | stark stärker | 强壮的 - 很强壮 | wild grazer
young | younger | jung jünger | 年轻的 - 很年轻 | worker
friendly | friendlier | freundlich freundlicher | 友好的 - 很友好 | person
hardworking | more hardworking | fleißig fleißiger | 勤奋的 - 很勤奋 | worker young
rich | richer | reich reicher | 富有的 - 很有钱 | worker
famous | more famous | berühmt berühmter | 著名的 - 很有名 | star
tired | more tired | müde:müd müder | 疲惫的 - 很累 | person
sad | sadder | traurig trauriger | 伤心的 - 很伤心 | person
happy | happier | glücklich glücklicher | 快乐的 - 很快乐 | person
"""

_PLACES = """
kitchen | in the kitchen | into the kitchen | in der Küche | in die Küche | 在厨房里 | 厨房
living_room | in the living room | into the living room | im Wohnzimmer | ins Wohnzimmer | 在客厅里 | 客厅
bedroom | in the bedroom | into the bedroom | im Schlafzimmer | ins Schlafzimmer | 在卧室里 | 卧室
garden | in the garden | into the garden | im Garten | in den Garten | 在花园里 | 花园
garage | in the garage | into the garage | in der Garage | in die Garage | 在车库里 | 车库
park | in the park | to the park | im Park | in den Park | 在公园里 | 公园
forest | in the forest | into the forest | im Wald | in den Wald | 在森林里 | 森林
street | in the street | into the street | auf der Straße | auf die Straße | 在街上 | 街上
market | at the market | to the market | auf dem Markt | auf den Markt | 在市场上 | 市场
farm | on the farm | to the farm | auf dem Bauernhof | auf den Bauernhof | 在农场里 | 农场
playground | at the playground | to the playground | auf dem Spielplatz | auf den Spielplatz | 在游乐场里 | 游乐场
library | in the library | to the library | in der Bibliothek | in die Bibliothek | 在图书馆里 | 图书馆
school | at school | to school | in der Schule | in die Schule | 在学校里 | 学校
university | at the university | to the university | an der Universität | zur Universität | 在大学里 | 大学
office | in the office | to the office | im Büro | ins Büro | 在办公室里 | 办公室
hospital | in the hospital | to the hospital | im Krankenhaus | ins Krankenhaus | 在医院里 | 医院
restaurant | in the restaurant | to the restaurant | im Restaurant | ins Restaurant | 在餐厅里 | 餐厅
hotel | in the hotel | to the hotel | im Hotel | ins Hotel | 在酒店里 | 酒店
museum | in the museum | to the museum | im Museum | ins Museum | 在博物馆里 | 博物馆
cinema | at the cinema | to the cinema | im Kino | ins Kino | 在电影院里 | 电影院
theater | at the theater | to the theater | im Theater | ins Theater | 在剧院里 | 剧院
cafe | in the café | to the café | im Café | ins Café | 在咖啡馆里 | 咖啡馆
supermarket | in the supermarket | to the supermarket | im Supermarkt | in den Supermarkt | 在超市里 | 超市
bakery | in the bakery | to the bakery | in der Bäckerei | in die Bäckerei | 在面包店里 | 面包店
zoo | at the zoo | to the zoo | im Zoo | in den Zoo | 在动物园里 | 动物园
station | at the station | to the station | am Bahnhof | zum Bahnhof | 在火车站 | 火车站
airport | at the airport | to the airport | am Flughafen | zum Flughafen | 在机场 | 机场
beach | on the beach | to the beach | am Strand | an den Strand | 在海滩上 | 海滩
lake | at the lake | to the lake | am See | an den See | 在湖边 | 湖边
river | at the river | to the river | am Fluss | an den Fluss | 在河边 | 河边
village | in the village | to the village | im Dorf | ins Dorf | 在村子里 | 村子里
"""

_SPOTS = """
on | auf | table | 上 | text dish device showable gift
under | unter | table | 下面 | pet toy
under | unter | bed | 下面 | pet toy movable
on | auf | bed | 上 | cloth text toy pet
on | auf | chair | 上 | cloth pet
under | unter | chair | 下面 | pet toy
next to | neben | lamp | 旁边 | text key
in | in | cupboard | 里 | dish cloth
on | in | shelf | 上 | text camera
in | in | bag | 里 | personal text
in | in | suitcase | 里 | cloth
in | in | box | 里 | toy text dish
behind | hinter | house | 后面 | vehicle tree farm
in front of | vor | house | 前面 | vehicle tree pet
next to | neben | tree | 旁边 | vehicle
under | unter | tree | 下面 | pet farm vehicle
behind | hinter | car | 后面 | pet toy
in | in | fridge | 里 | cold fresh
behind | hinter | door | 后面 | movable toy
"""

_NAMES = """
Anna f 安娜, Maria f 玛丽亚, Julia f 尤利娅, Lisa f 丽莎, Emma f 艾玛, Laura f 劳拉, Sophie f 索菲, Lena f 莉娜,
Peter m 彼得, Paul m 保罗, Martin m 马丁, David m 大卫, Daniel m 丹尼尔, Simon m 西蒙, Robert m 罗伯特, Michael m 迈克尔
"""

_CITIES = """
Berlin Berlin 柏林, Munich München 慕尼黑, Hamburg Hamburg 汉堡, Vienna Wien 维也纳, Zurich Zürich 苏黎世, Prague Prag 布拉格,
Rome Rom 罗马, Warsaw Warschau 华沙, London London 伦敦, Beijing Peking 北京, Shanghai Shanghai 上海, Tokyo Tokio 东京
"""  # noqa: E501

_DAYS = """
Monday Montag 一, Tuesday Dienstag 二, Wednesday Mittwoch 三, Thursday Donnerstag 四, Friday Freitag 五,
Saturday Samstag 六, Sunday Sonntag 天
"""


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().split("\n")]


def _items(table: str) -> list[list[str]]:
    return [item.split() for item in table.replace("\n", " ").split(",")]


def _gender(letter: str) -> Gender:
    genders: dict[str, Gender] = {"m": "m", "f": "f", "n": "n"}
    return genders[letter]


def _noun(row: list[str]) -> Noun:
    en, en_plural = row[0].split(", ")
    letter, de, genitive, plural = row[1].split()
    measure, zh = row[2].split()
    ending = "" if genitive == "-" else genitive
    tags = frozenset(row[3].split()) | {en}
    feminine = None
    if len(row) == 5:
        feminine = Noun(en, en_plural, "f", row[4], row[4], row[4] + "nen", False, measure, zh, tags)
    weak = ending in ("n", "en")
    return Noun(en, en_plural, _gender(letter), de, de + ending, plural, weak, measure, zh, tags, feminine)


def _adjective(row: list[str]) -> Adjective:
    de, de_comparative = row[2].split()
    base, _, stem = de.partition(":")
    zh, bound, predicate = row[3].split()
    bound = "" if bound == "-" else bound
    return Adjective(
        row[0], row[1], base, stem or base, de_comparative, zh, bound, predicate, frozenset(row[4].split())
    )


NOUNS: tuple[Noun, ...] = tuple(_noun(row) for row in _rows(_NOUNS))
NOUN: dict[str, Noun] = {noun.en: noun for noun in NOUNS}
ADJECTIVES: tuple[Adjective, ...] = tuple(_adjective(row) for row in _rows(_ADJECTIVES))
ADJECTIVE: dict[str, Adjective] = {adjective.en: adjective for adjective in ADJECTIVES}
PLACES: tuple[Place, ...] = tuple(
    Place(row[0], Triple(row[1], row[3], row[5]), Triple(row[2], row[4], row[6])) for row in _rows(_PLACES)
)
PLACE: dict[str, Place] = {place.key: place for place in PLACES}
SPOTS: tuple[Spot, ...] = tuple(
    Spot(row[0], row[1], NOUN[row[2]], row[3], tuple(row[4].split())) for row in _rows(_SPOTS)
)
NAMES: tuple[tuple[str, Gender, str], ...] = tuple((en, _gender(sex), zh) for en, sex, zh in _items(_NAMES))
CITIES: tuple[Triple, ...] = tuple(Triple(en, de, zh) for en, de, zh in _items(_CITIES))
LAND_CITIES = CITIES[:8]
"""Cities between which trains, buses and cars travel."""
DAYS: tuple[Triple, ...] = tuple(Triple(en, de, "星期" + zh) for en, de, zh in _items(_DAYS))

NUMBERS: tuple[Triple, ...] = tuple(
    Triple(*words.split())
    for words in (
        "two zwei 两",
        "three drei 三",
        "four vier 四",
        "five fünf 五",
        "six sechs 六",
        "seven sieben 七",
        "eight acht 八",
        "nine neun 九",
        "ten zehn 十",
    )
)

UNITS: tuple[Unit, ...] = (
    Unit("cup", "cups", "Tasse", "Tassen", "f", "杯", False, ("coffee", "tea")),
    Unit("glass", "glasses", "Glas", "Gläser", "n", "杯", False, ("water", "juice", "milk", "beer", "wine")),
    Unit("bottle", "bottles", "Flasche", "Flaschen", "f", "瓶", False, ("water", "juice", "beer", "wine")),
    Unit("kilo", "kilos", "Kilo", "Kilo", "n", "公斤", False, ("meat", "cheese", "fruit")),
    Unit("kilo", "kilos", "Kilo", "Kilo", "n", "公斤", True, ("apple", "pear", "orange", "tomato", "potato", "carrot")),
    Unit("piece", "pieces", "Stück", "Stücke", "n", "块", False, ("cake", "bread", "cheese", "chocolate")),
)

FAULTS = ("expensive", "heavy", "big", "small", "old", "boring", "thick", "long", "short", "warm")
"""Adjectives that can follow "too"."""


def nouns(*tags: str) -> list[Noun]:
    """Return the nouns with any of the tags, in the order of the table; a tag with a leading minus excludes nouns."""
    wanted = {tag for tag in tags if not tag.startswith("-")}
    barred = {tag[1:] for tag in tags if tag.startswith("-")}
    return [noun for noun in NOUNS if noun.tags & wanted and not noun.tags & barred]


def adjectives(noun: Noun) -> list[Adjective]:
    """Return the adjectives that can describe the noun, in the order of the table."""
    barred = {f"-{tag}" for tag in noun.tags}
    return [each for each in ADJECTIVES if each.tags & noun.tags and not each.tags & barred]
