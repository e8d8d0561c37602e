"""The words of the demo organisation: offices, given and family names, repositories, guardrails.

Data only. All names are made up; who is called what follows from the seed (``organisation``).
"""

from dataclasses import dataclass
from typing import Final

ORGANISATION: Final = "Larkspur Freight Systems"
DOMAIN: Final = "larkspur.example"


@dataclass(frozen=True, slots=True)
class Office:
    """A place of work: its zone, its shared address (documentation ranges) and the names usual there."""

    city: str
    country: str
    zone: str
    address: str
    head_count: int
    given: str
    """Given names, one for each head, between blanks."""
    family: str


OFFICES: Final = (
    Office(
        "Hamburg",
        "DE",
        "Europe/Berlin",
        "198.51.100.10",
        16,
        "Anneke Björn Clemens Dörte Emre Frauke Gesa Hinnerk Imke Jörg Käthe Lüder Malte Nele Ömer Swantje",
        "Ahlers Brügge Claasen Dieckmann Eggers Fröhling Grönwold Hülsbeck "
        "Iwersen Jürgens Köster Lührs Möhring Nißen Oelkers Wübbena",
    ),
    Office(
        "Kraków",
        "PL",
        "Europe/Warsaw",
        "198.51.100.34",
        12,
        "Agnieszka Błażej Celina Dobrosława Elżbieta Grażyna Jędrzej Łucja Mieszko Paweł Stanisław Żaneta",
        "Bąkowicz Cieślar Drożdżal Głąbek Jabłonka Kędzior Łopieński Mączka Nędzyński Pękalak Śliwczak Żurawek",
    ),
    Office(
        "Porto",
        "PT",
        "Europe/Lisbon",
        "198.51.100.58",
        8,
        "Álvaro Beatriz Conceição Duarte Inês Gonçalo Leonor Simão",
        "Abrantes Brandão Coutinho Estêvão Falcão Galvão Loução Magalhães",
    ),
    Office(
        "Pune",
        "IN",
        "Asia/Kolkata",
        "198.51.100.82",
        14,
        "Aditi Bhavesh Chitra Devika Girish Harini Ishaan Jyoti Kavya Manoj Nikhil Ojasvi Prachi Tanvi",
        "Apte Bhagwat Chitnis Deshmane Gadkar Hegde Inamdar Joglekar Kulkarne Limaye Mahajane Nimkar Paranjpe Vaidyan",
    ),
    Office(
        "Boston",
        "US",
        "America/New_York",
        "198.51.100.106",
        14,
        "Abigail Bennett Chloé Darnell Elena Forrest Grace Hollis José Keisha Linden Maeve Nolan Rosalía",
        "Ashgrove Bellweather Castañeda Dunmore Elmsley Fairbrook Garrity "
        "Holloway Ibáñez Kettle Lockhart Marchetti Norwood Winslade",
    ),
    Office(
        "São Paulo",
        "BR",
        "America/Sao_Paulo",
        "198.51.100.130",
        6,
        "Caetano Flávia João Luísa Otávio Thaís",
        "Assunção Bragança Damião Guimarães Leitão Sertório",
    ),
    Office(
        "Singapore",
        "SG",
        "Asia/Singapore",
        "198.51.100.154",
        6,
        "Jiahui Kai Lê Meiling Siti Zhiwei",
        "Ang Binte-Rahim Chua Nguyễn Ong Teo",
    ),
)

REPOSITORIES: Final = (
    "platform/network-core",
    "platform/cluster-base",
    "platform/identity",
    "platform/dns-zones",
    "freight/booking-api",
    "freight/route-planner",
    "freight/customs-filing",
    "freight/container-tracking",
    "data/warehouse",
    "data/streaming",
    "data/ml-forecast",
    "apps/driver-mobile",
    "apps/dispatch-web",
    "apps/customer-portal",
    "sandbox/experiments",
)

WORKSPACES: Final = (
    "prod-eu-central",
    "prod-us-east",
    "prod-ap-south",
    "staging-eu-central",
    "staging-us-east",
    "shared-network",
    "data-platform",
    "sandbox",
)

GUARDRAILS: Final = (
    "No public buckets",
    "Encryption at rest",
    "TLS 1.2 or newer",
    "No wildcard roles",
    "Tags for cost centre",
    "No open SSH",
    "No open databases",
    "Backups for stateful sets",
    "Regions: EU only for customer data",
    "Approved base images",
    "No inline secrets",
    "Key rotation within 90 days",
    "Log retention of a year",
    "Private subnets for workers",
    "Budget alarm per account",
    "Two reviewers for production",
    "No deletion of state stores",
    "DNS changes need an owner",
    "Limits on instance size",
    "Flow logs on every network",
    "No default service accounts",
    "Pinned module versions",
    "Multi-zone databases",
    "Change freeze calendar",
)

MORE_GUARDRAILS: Final = (
    "Quota for test clusters",
    "No unused addresses",
    "Naming of queues",
    "Owner of each topic",
    "Certificates from the own authority",
    "Egress through the proxy",
    "Max. age of machine images",
    "Schutzbedarf für Kundendaten",
    "Kontrola dostępu do danych",
    "No cross-account peering",
    "Read replicas for reports",
    "Alert on drift in production",
)

INTEGRATIONS: Final = ("git-host", "chat", "ticket-queue", "pager", "single-sign-on", "state-store", "cost-report", "siem-feed")
