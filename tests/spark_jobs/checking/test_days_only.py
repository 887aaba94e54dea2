"""Is the setting proposed that reads the time of day from its own column?"""

from spark_jobs.checking.days_only import find_time_column
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw.columns import inspect_files
from spark_jobs.raw.reader import Intake


def find(tmp_path, header, pattern="MM/dd/yy"):
    rows = [header, *(f"c{n},06/{n:02}/26,0{n % 10}:02:58,Berlin" for n in range(1, 30))]
    (tmp_path / "items.csv").write_text("\n".join(rows))
    columns = {"customer_id": ColumnMapping("id"), "event_at": ColumnMapping("Date", format=pattern, zone="UTC")}
    intake = Intake(Source("purchases", str(tmp_path), "*.csv", "csv", columns), str(tmp_path), "")
    file = {"delivery_id": "items.csv", "path": "items.csv"}
    return find_time_column(JudgedLog(intake, [file], None, [], inspect_files(intake, ["items.csv"])))


def test_the_setting_that_reads_the_time_of_day_is_proposed(tmp_path):
    sentence = find(tmp_path, "id,Date,Time,Time Zone")
    assert sentence == (
        "event_at is a day without a time, but the files have 'Time': to read the time of day, set "
        'event_at = { columns = ["Date", "Time"], format = "MM/dd/yy HH:mm:ss", zone = "UTC", '
        'zone_column = "Time Zone" }'
    )
    assert find(tmp_path, "id,Date,Remark,Shop") is None
    assert find(tmp_path, "id,Date,Time,Time Zone", "dd/MM/yy HH:mm") is None
