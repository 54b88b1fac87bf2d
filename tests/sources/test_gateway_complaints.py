"""What other gateways fail at in plants: no complaint that concerns reading loses its test unseen.

The list is section 3 of the survey of gateways, by its numbers. Each test that shows that something does not
happen here names the complaint in its docstring, as `telegraf#18787`; of several in a row the repository is
named once. What is kept and sent (31 to 34) is shown in tests/store, tests/dispatch and tests/process; what
is installed offline (40) is the work on packaging.
"""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
COMPLAINTS = """
    1: telegraf#19186
    2: telegraf#18787 #18813
    3: telegraf#18628 #19070 #18717
    4: Industrial-IoT#1890
    5: Industrial-IoT#2055 #2416 #2344 #912
    6: thingsboard-gateway#2132
    7: thingsboard-gateway#1592 #829 #1339
    8: node-red-contrib-modbus#6 #69 #273
    9: node-red-contrib-opcua#317 #278
    10: telegraf#16038 #16035 #16293 #18466
    11: telegraf#13476
    12: opcua-asyncio#1660 #70
    13: core#51103
    14: core#139628 #69656
    15: core#55076 pymodbus#538 #1509 #2636
    16: rdtech-esphome#23
    17: telegraf#10849 #8871 #9550
    18: thingsboard-gateway#238
    19: thingsboard-gateway#1243
    20: thingsboard-gateway#614 #1453 libmodbus#358 #611 ioBroker.modbus#508
    21: pymodbus#2630 #2706 thingsboard-gateway#2146
    22: opcua-asyncio#1184 node-red-contrib-opcua#637 #348 plc4x#2715
    23: node-red-contrib-opcua#478
    24: telegraf#14671 #13630
    25: telegraf#11782
    26: core#72495 #122607
    27: core#48497 thingsboard-gateway#1589
    28: thingsboard-gateway#1670 OpenPLC_v3#195 openhab1#3819 NModbus4#152
    29: telegraf#19609 #11455 opcua-asyncio#1551 opcua#201
    30: node-red-contrib-modbus#409
    35: paho.mqtt.python#382
    36: node-red-contrib-opcua#595 node-opcua#1435
    37: opcua-asyncio#461 thingsboard-gateway#702 iot-edge-opc-plc#403
    38: open62541#2314 #3161
    39: thingsboard-gateway#1601 node-red-contrib-opcua#508
    41: Industrial-IoT#2365 thingsboard-gateway#1444
"""
_NUMBER = re.compile(r"([\w.-]*)(?: PR)?#(\d+)")


def named(text):
    """The complaints in a text: repository, without its owner, and number."""
    repository = ""
    for written, number in _NUMBER.findall(text):
        repository = written.lower() or repository
        yield f"{repository}#{number}"


def docstrings():
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield ast.get_docstring(node) or ""


def test_every_complaint_about_reading_has_its_test():
    """By repository and number, in the docstring of whoever shows it."""
    shown = {complaint for text in docstrings() for complaint in named(text)}

    assert [each for each in named(COMPLAINTS) if each not in shown] == []


def test_a_missing_complaint_would_be_noticed():
    """Numbers are those of their repository: another project's of the same number shows nothing."""
    assert list(named("telegraf#1, #2; Azure/Industrial-IoT#2 and plc4x PR#3")) == [
        *("telegraf#1", "telegraf#2", "industrial-iot#2", "plc4x#3")
    ]
