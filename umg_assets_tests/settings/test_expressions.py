"""Expressions of umg.toml: every allowed function gives the same value on both engines, others are refused."""

import pytest
import sqlglot
from pyspark.sql import functions as F

from umg_assets.settings.differences import differences
from umg_assets.settings.expressions import FUNCTIONS, check_over_text, columns_of, parse_expression
from umg_assets.settings.portable import null_on_bad_cast

RECORD = {
    "word": " Abba ",
    "csv": "a,b;c",
    "number": "12.7",
    "whole": "42",
    "bad": "junk",
    "empty": None,
    "day": "2026-03-02",
    "dotted": "02.03.2026",
    "at": "2026-03-02T10:00:00Z",
    "offset": "2026-03-02T10:00:00+02:00",
    "plain": "2026-03-02 10:00:00",
    "seconds": "1402943314",
    "millis": "1402943314123",
    "url": "https://a.example/p?q=1",
    "json": '{"a":{"b":"x"},"n":[1,2]}',
    "hexa": "ff",
    "big": "99999999999999999999",
    "neg": "-7",
    "name": "Łódź's",
    "compact": "20260302101112",
    "frac": "2026-03-02T10:00:00.123456Z",
}
# expression over RECORD, and the text that both engines give
EXAMPLES: list[tuple[str, str | None]] = [
    ("try_cast(bad as double)", None),
    ("int(whole)", "42"),
    ("int(bad)", None),
    ("bigint(whole)", "42"),
    ("whole::bigint", "42"),
    ("bad::bigint", None),
    ("cast(number as decimal(10,2))", "12.70"),
    ("cast(at as date)", "2026-03-02"),
    ("date(day)", "2026-03-02"),
    ("cast(offset as timestamp)", "2026-03-02 08:00:00"),
    ("cast(bad as timestamp)", None),
    ("timestamp(at)", "2026-03-02 10:00:00"),
    ("to_timestamp(at)", "2026-03-02 10:00:00"),
    ("to_timestamp(offset)", "2026-03-02 08:00:00"),
    ("to_timestamp(frac)", "2026-03-02 10:00:00.123456"),
    ("to_timestamp(bad)", None),
    ("try_to_timestamp(at)", "2026-03-02 10:00:00"),
    ("try_to_timestamp(bad,'dd.MM.yyyy')", None),
    ("to_date(day)", "2026-03-02"),
    ("to_date(bad)", None),
    ("to_date(bad,'dd.MM.yyyy')", None),
    ("timestamp_seconds(cast(seconds as bigint))", "2014-06-16 18:28:34"),
    ("timestamp_seconds(cast(number as double))", "1970-01-01 00:00:12.7"),
    ("timestamp_millis(cast(millis as bigint))", "2014-06-16 18:28:34.123"),
    ("timestamp_micros(cast(millis as bigint))", "1970-01-17 05:42:23.314123"),
    ("timestamp_millis(cast(bad as bigint))", None),
    ("from_unixtime(cast(seconds as bigint))", "2014-06-16 18:28:34"),
    ("unix_timestamp(plain)", "1772445600"),
    ("to_unix_timestamp(plain)", "1772445600"),
    ("unix_timestamp(bad)", None),
    ("unix_seconds(to_timestamp(at))", "1772445600"),
    ("unix_millis(to_timestamp(frac))", "1772445600123"),
    ("unix_date(cast(day as date))", "20514"),
    ("to_utc_timestamp(plain,'Europe/Vienna')", "2026-03-02 09:00:00"),
    ("from_utc_timestamp(to_timestamp(plain),'Europe/Vienna')", "2026-03-02 11:00:00"),
    ("date_add(cast(day as date),1)", "2026-03-03"),
    ("date_sub(cast(day as date),1)", "2026-03-01"),
    ("datediff(cast(day as date),date'2026-03-01')", "1"),
    ("add_months(cast(day as date),1)", "2026-04-02"),
    ("last_day(cast(day as date))", "2026-03-31"),
    ("make_date(2026,3,2)", "2026-03-02"),
    ("make_timestamp(2026,3,2,1,2,3)", "2026-03-02 01:02:03"),
    ("date_trunc('hour',to_timestamp(plain))", "2026-03-02 10:00:00"),
    ("trunc(cast(day as date),'MM')", "2026-03-01"),
    ("year(cast(day as date))", "2026"),
    ("month(cast(day as date))", "3"),
    ("day(cast(day as date))", "2"),
    ("dayofmonth(cast(day as date))", "2"),
    ("dayofweek(cast(day as date))", "2"),
    ("dayofyear(cast(day as date))", "61"),
    ("hour(to_timestamp(plain))", "10"),
    ("minute(to_timestamp(plain))", "0"),
    ("second(to_timestamp(plain))", "0"),
    ("date_format(to_timestamp(plain),'yyyy-MM-dd HH:mm')", "2026-03-02 10:00"),
    ("extract(year from cast(day as date))", "2026"),
    ("timestamp'2026-01-01 00:00:00'", "2026-01-01 00:00:00"),
    ("word || name", " Abba Łódź's"),
    ("concat(word,'-',name)", " Abba -Łódź's"),
    ("concat_ws('-',word,empty,name)", " Abba -Łódź's"),
    ("lower(word)", " abba "),
    ("upper(name)", "ŁÓDŹ'S"),
    ("trim(word)", "Abba"),
    ("ltrim(word)", "Abba "),
    ("rtrim(word)", " Abba"),
    ("btrim(word)", "Abba"),
    ("length(name)", "6"),
    ("char_length(name)", "6"),
    ("character_length(name)", "6"),
    ("substring(name,1,2)", "Łó"),
    ("substr(name,2)", "ódź's"),
    ("left(name,2)", "Łó"),
    ("right(name,2)", "'s"),
    ("substring_index(csv,',',1)", "a"),
    ("split(csv,',')[0]", "a"),
    ("split_part(csv,',',2)", "b;c"),
    ("element_at(split(csv,','),1)", "a"),
    ("size(split(csv,','))", "2"),
    ("replace(csv,',','.')", "a.b;c"),
    ("translate(csv,',;','..')", "a.b.c"),
    ("reverse(whole)", "24"),
    ("repeat(whole,2)", "4242"),
    ("lpad(whole,5,'0')", "00042"),
    ("rpad(whole,5,'0')", "42000"),
    ("instr(csv,'b')", "3"),
    ("locate('b',csv)", "3"),
    ("position('b' in csv)", "3"),
    ("contains(csv,'b')", "true"),
    ("startswith(csv,'a')", "true"),
    ("endswith(csv,'c')", "true"),
    ("regexp_extract(at,'(\\\\d+)-(\\\\d+)',2)", "03"),
    ("regexp_replace(csv,'[,;]','')", "abc"),
    ("regexp_like(csv,'b')", "true"),
    ("csv rlike 'b'", "true"),
    ("csv like 'a%'", "true"),
    ("coalesce(empty,whole)", "42"),
    ("nvl(empty,whole)", "42"),
    ("ifnull(empty,whole)", "42"),
    ("nullif(whole,'42')", None),
    ("nvl2(empty,1,2)", "2"),
    ("if(whole='42','a','b')", "a"),
    ("case when whole='42' then 'a' else 'b' end", "a"),
    ("case whole when '42' then 'a' end", "a"),
    ("isnull(empty)", "true"),
    ("isnotnull(empty)", "false"),
    ("whole in ('42','x')", "true"),
    ("whole = 42", "true"),
    ("whole > 5", "true"),
    ("whole between '1' and '5'", "true"),
    ("empty <=> null", "true"),
    ("not (whole = '42')", "false"),
    ("greatest(1,2)", "2"),
    ("least(1,2)", "1"),
    ("abs(cast(neg as int))", "7"),
    ("round(cast(number as double))", "13.0"),
    ("floor(cast(number as double))", "12"),
    ("ceil(cast(number as double))", "13"),
    ("ceiling(cast(number as double))", "13"),
    ("cast(whole as int)/5", "8.4"),
    ("cast(whole as int)%5", "2"),
    ("mod(cast(whole as int),5)", "2"),
    ("pmod(cast(neg as int),5)", "3"),
    ("cast(whole as int)/0", None),
    ("cast(whole as int) % 0", None),
    ("sqrt(4.0)", "2.0"),
    ("power(2,3)", "8.0"),
    ("sign(cast(neg as int))", "-1.0"),
    ("md5(word)", "3053c03af0362b762661694217a8cb67"),
    ("sha1(word)", "d33bfbe9de0c7ae802a8c465a9974e4ad952a118"),
    ("sha2(word,256)", "8e00dae1b8606e6d2de09c74fbd5f293e4e3e9c87b7a59be24b08a72644f152f"),
    ("sha(word)", "d33bfbe9de0c7ae802a8c465a9974e4ad952a118"),
    ("crc32(word)", "1309249412"),
    ("hash(word)", "1708332949"),
    ("xxhash64(word)", "4032642991119285439"),
    ("hex(cast(whole as bigint))", "2A"),
    ("conv(hexa,16,10)", "255"),
    ("base64(cast(word as binary))", "IEFiYmEg"),
    ("ascii(word)", "32"),
    ("chr(65)", "A"),
    ("get_json_object(json,'$.a.b')", "x"),
    ("get_json_object(bad,'$.a')", None),
    ("from_json(json,'a struct<b:string>').a.b", "x"),
    ("from_json(bad,'a struct<b:string>').a.b", None),
    ("json_array_length('[1,2]')", "2"),
    ("parse_url(url,'HOST')", "a.example"),
    ("try_parse_url(url,'HOST')", "a.example"),
    ("url_decode('a%20b')", "a b"),
    ("url_encode(word)", "+Abba+"),
    ("array(word,name)[1]", "Łódź's"),
    ("array_contains(split(csv,','),'a')", "true"),
    ("array_join(split(csv,','),'-')", "a-b;c"),
    ("map('a',word)['a']", " Abba "),
    ("named_struct('a',word).a", " Abba "),
    ("struct(word,name).name", "Łódź's"),
    ("try_add(1,2)", "3"),
    ("try_divide(1,0)", None),
    ("try_multiply(2,3)", "6"),
    ("try_subtract(3,2)", "1"),
    ("try_element_at(split(csv,','),9)", None),
    ("to_number('12','99')", "12"),
    ("try_to_number('12','99')", "12"),
    ("bit_length(word)", "48"),
    ("octet_length(name)", "9"),
    ("overlay(word placing 'x' from 1)", "xAbba "),
    ("levenshtein(word,name)", "6"),
    ("soundex(word)", " Abba "),
    ("format_string('%s-%s',word,name)", " Abba -Łódź's"),
    ("format_number(12345.6,1)", "12,345.6"),
    ("typeof(word)", "string"),
    ("string(whole)", "42"),
    ("double(whole)", "42.0"),
    ("boolean(true)", "true"),
    ("float(whole)", "42.0"),
    ("smallint(whole)", "42"),
    ("tinyint(whole)", "42"),
    ("equal_null(empty,word)", "false"),
    ("zeroifnull(empty)", "0"),
    ("nullifzero(0)", None),
    ("len(word)", "6"),
    ("ucase(word)", " ABBA "),
    ("lcase(word)", " abba "),
    ("to_char(12,'99')", "12"),
    ("weekday(cast(day as date))", "0"),
    ("weekofyear(cast(day as date))", "10"),
    ("quarter(cast(day as date))", "1"),
    ("months_between(cast(day as date),date'2026-01-02')", "2.0"),
    ("next_day(cast(day as date),'MON')", "2026-03-09"),
    ("dateadd(cast(day as date),1)", "2026-03-03"),
    ("date_diff(cast(day as date),date'2026-03-01')", "1"),
    ("timestampadd(HOUR,1,to_timestamp(plain))", "2026-03-02 11:00:00"),
    ("convert_timezone('Europe/Vienna','UTC',timestamp_ntz'2026-03-02 10:00:00')", "2026-03-02 09:00:00"),
    ("sort_array(split(csv,','))[0]", "a"),
    ("array_max(split(csv,','))", "b;c"),
    ("flatten(array(split(csv,',')))[0]", "a"),
    ("slice(split(csv,','),1,1)[0]", "a"),
    ("array_position(split(csv,','),'a')", "1"),
    ('"quoted"', "quoted"),
    ("bin(5)", "101"),
    ("exp(0)", "1.0"),
    ("ln(1)", "0.0"),
    ("log10(100)", "2.0"),
    ("log(2,8)", "3.0"),
    ("signum(-2.0)", "-1.0"),
    ("bigint(bad)", None),
    ("to_date(at)", "2026-03-02"),
    ("timestamp_millis(cast(big as double))", None),
]


def test_every_function_gives_what_it_gives_on_the_other_engine(spark):
    columns = ", ".join(f"`{name}` string" for name in RECORD)
    values = [F.expr(null_on_bad_cast(text)).cast("string").alias(f"v{at}") for at, (text, _) in enumerate(EXAMPLES)]
    row = spark.createDataFrame([tuple(RECORD.values())], columns).select(*values).collect()[0]
    assert [(text, value) for (text, _), value in zip(EXAMPLES, row, strict=True)] == EXAMPLES


AS_WRITTEN = [
    "get_json_object(json, '$.event-type')",
    "get_json_object(json, '$.a b')",
    "get_json_object(json, '$[\\'a.b\\']')",
    "get_json_object(json, \"$['a.b']\")",
    "get_json_object(json, '$.list[1].id')",
    "get_json_object(json, '$.list')",
    "from_json(json, '`event-type` string').`event-type`",
    "regexp_extract(at, '(\\\\d+)-(\\\\d+)', 2)",
    "regexp_extract(at, r'(\\d+)-(\\d+)', 2)",
    "regexp_replace(csv, '[,;]', '\\t')",
    "replace(csv, ',', '\\n')",
    "csv like 'a\\_b'",
    "csv rlike '^a\\\\W'",
    "concat('it\\'s', \"double \\\" quoted\", '$.event-type', '\\u0041', 'Łódź', '%Y')",
    "split(csv, '[,;]')[1]",
    "to_timestamp(at, \"yyyy-MM-dd'T'HH:mm:ssX\")",
    "date_format(to_timestamp(plain), \"EEE dd.MM.yyyy 'at' h:mm a\")",
    "date_format(to_timestamp(frac), 'yyyy-MM-dd HH:mm:ss.SSSSSS')",
    "to_date('02/Mar/2026', 'dd/MMM/yyyy')",
    "from_unixtime(1402943314, 'yyyy/MM/dd HH')",
    "unix_timestamp(plain, 'yyyy-MM-dd HH:mm:ss')",
    "to_char(12.5, '99.9')",
    "format_string('%05.1f|%s', cast(1.5 as double), word)",
    "parse_url(url, 'QUERY', 'q')",
    "overlay(word placing '$.a' from 1)",
    "trim(both ' A' from word)",
    "extract(year from cast(day as date))",
    "cast(day as date) + interval '1' day",
    "array(word, name)[1]",
    "case whole when '42' then '$.x-y' end",
    "cast(1 as decimal(5,2)) / 3",
]
"""Expressions over RECORD without casts that fail: what is passed on gives what the text gives as it is written."""


def test_what_is_written_reaches_the_engine_to_the_letter(spark):
    record = {**RECORD, "json": '{"event-type":"x","a b":"y","a.b":"z","list":[{"id":1},{"id":2}]}'}
    columns = ", ".join(f"`{name}` string" for name in record)
    values = [
        F.expr(form(text)).cast("string").alias(f"{form.__name__}{at}")
        for at, text in enumerate(AS_WRITTEN)
        for form in (str, null_on_bad_cast)
    ]
    row = spark.createDataFrame([tuple(record.values())], columns).select(*values).collect()[0]
    as_written, passed_on = row[::2], row[1::2]
    assert dict(zip(AS_WRITTEN, passed_on, strict=True)) == dict(zip(AS_WRITTEN, as_written, strict=True))
    assert None not in as_written


def test_a_json_path_that_finds_several_values_is_refused_because_the_engines_differ():
    with pytest.raises(ValueError, match=r"Sail and Spark differ on '\$\.l\[\*\]\.id'"):
        parse_expression("get_json_object(p, '$.l[*].id')")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("regexp_replace(x, '(a)(b)', '$1T$2')", r"differ on '\$1T\$2'.*use concat and regexp_extract"),
        ("regexp_replace(x, '(a)', '\\\\1')", "differ on .*in a replacement no backslash"),
        ("regexp_replace(x, '(a)', '${1}')", "differ on .*in a replacement"),
        ("split(x, '')[0]", "differ on a split by an empty text"),
        ("extract(dow from cast(x as date))", r"differ on extract\(dow from ...\): use a function"),
        ("coalesce(x, 0)", "x is a text and 0 is none: write '0', or cast it first"),
        ("nullif(x, -1)", None),
        ("nullif(x, 0)", "x is a text and 0 is none"),
        ("case x when 5 then '' else x end", "x is a text and 5 is none"),
        ("regexp_replace(x, '(a)(b)', '$2-$1')", None),
        ("split(x, ' ')[0]", None),
        ("coalesce(x, '0')", None),
    ],
)
def test_what_the_engines_give_in_different_ways_is_refused_with_what_to_write_instead(text: str, message: str | None):
    if message is None:
        check_over_text(text)
    else:
        with pytest.raises(ValueError, match=message):
            check_over_text(text)


def test_rare_values_on_which_the_engines_differ_are_told():
    assert "1.10 as 1.1 on Spark" in differences("get_json_object(p, '$.n')")[0]
    assert "as 'a b' on Sail" in differences("parse_url(p, 'QUERY', 'q')")[0]
    for text in ("p rlike '^\\\\w+$'", r"regexp_extract(p, r'(\d+)', 1)", "split(p, '(?i)x')[0]"):
        assert "beyond ASCII" in differences(text)[0]
    assert differences("concat('C:\\\\data', regexp_extract(p, '([0-9]+)', 1), parse_url(p, 'HOST'))") == []


def test_every_allowed_function_has_an_example():
    used = {token.text.lower() for text, _ in EXAMPLES for token in sqlglot.tokenize(text, read="spark")}
    assert used >= FUNCTIONS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sum(x)", "one record at a time, sum sees more"),
        ("max(x) filter (where x > 1)", "one record at a time, max sees more"),
        ("rank() over (order by x)", "one record at a time, a window sees more"),
        ("lag(x) over (order by x)", "one record at a time"),
        ("(select 1)", "expected one expression"),
        ("x in (select y from t)", "one record at a time, a query sees more"),
        ("select x from t", "expected one expression"),
        ("drop table t", "expected one expression"),
        ("x; y", "expected one expression"),
        ("", "expected one expression"),
        ("x, y", "not a Spark SQL expression near ','"),
        ("upper(x", "not a Spark SQL expression near 'x'"),
        ("x as y", "'x AS y' cannot be used"),
        ("*", "cannot be used"),
        ("uper(x)", r"no function uper\(\) that Sail and Spark give alike; did you mean upper\(\)"),
        ("upper(foo (x))", r"no function foo\(\)"),
        ("explode(split(x, ','))", r"no function explode\(\)"),
        ("transform(split(x, ','), a -> a)", r"no function transform\(\)"),
        ("rand()", r"no function rand\(\)"),
        ("initcap(x)", r"no function initcap\(\)"),
        ("current_date", "changes from run to run"),
        ("current_timestamp", "changes from run to run"),
        ("current_timestamp()", r"no function current_timestamp\(\)"),
        ("'it''s'", r"write a quote inside a text as \\'"),
    ],
)
def test_an_expression_on_which_the_engines_may_differ_is_refused(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_expression(text)


@pytest.mark.parametrize("text", ["x * 1000", "1 + x", "-x", "x > 5", "x in (1, 2)", "(x) / 2", "x between 1 and 2"])
def test_calculating_with_a_text_is_refused_with_a_hint(text: str):
    with pytest.raises(ValueError, match=r"x is a text, cast it first, e.g. cast\(x as double\)"):
        check_over_text(text)
    check_over_text(text.replace("x", "cast(x as double)"))


def test_texts_may_be_compared_with_texts():
    check_over_text("x > 'a' and x in ('a', 'b') and x between 'a' and 'b' or x = y")


def test_the_columns_of_an_expression_are_listed_once_in_order_and_without_their_fields():
    assert columns_of("coalesce(b, user.id, `odd name`, concat(b, user.name))") == ["b", "user", "odd name"]
