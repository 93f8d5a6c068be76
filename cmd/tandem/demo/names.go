package demo

// The material of the example CRM: what real address books hold, and what has broken programs before.

// names are people's names in several scripts: accents, composed and decomposed letters, apostrophes, right-to-left scripts, emoji.
var names = []string{
	"Amélie Lefèvre", "José Ángel Muñoz", "Zoë van den Berg", "Søren Kierkegård", "Łukasz Wiśniewski", "Jürgen Großmann",
	"Sinéad O’Connor", "D'Artagnan de Batz", "Nguyễn Thị Minh Khai", "Βασιλική Παπαδοπούλου", "Олександра Шевченко", "Дмитрий Фёдоров",
	"محمد الفارسي", "נועה לוי-כהן", "山田 太郎", "佐藤 花子", "王小明", "陳美玲", "김민준", "अदिति शर्मा", "ธนพล วงศ์สวัสดิ์",
	"Şükrü Çağlayan", "Þórunn Jónsdóttir", "Mária Kovácsová", "Ștefan Brâncuși", "Ġorġ Ħaddiem", "Ana-Sofía Peña y Lillo",
	"Jean-Baptiste Poquelin", "Maëlys N’Diaye", "Zurab წერეთელი", "Արամ Խաչատրյան", "Ọlájùmọ̀kẹ́ Adébáyọ̀", "Renée Zélie 🌻", "Max Power 🚀",
	"Cafe\u0301 Owner", "Mary  Double-Space", "Ελένη Ν. Καζαντζάκη", "Björk Guðmundsdóttir", "Kaʻiulani Kealoha", "\"Bobby\" Tables; --",
}

var companies = []string{
	"Boulangerie Dupont & Fils", "Großhandel Köln GmbH", "Kraków Systemy Sp. z o.o.", "東京商事株式会社", "O'Reilly & Sons", "Ünal Tekstil A.Ş.",
	"Frères Lumière", "Nordlys ApS", "Café Zürich AG", "Москва-Логистика", "北京科技有限公司", "Åland Shipping", "Peña Vinos", "شركة النيل", "Rocket 🚀 Labs",
}

var tags = []string{"VIP", "newsletter 2026", "trade fair", "à rappeler", "展示会", "wine 🍷", "reseller", "Düsseldorf", "cold", "press"}

var jobs = []string{"Directrice générale", "Head of Sales", "Einkäufer", "Księgowa", "営業部長", "Buyer", "CTO", "Office manager", "Ingénieur d’affaires"}

var sentences = []string{
	"Prefers to be called after 16:00.", "Rencontrée au salon de Lyon; très intéressée par l’offre « tout compris ».",
	"Möchte ein Angebot bis Ende des Monats.", "来週の火曜日に折り返し電話。", "Перезвонить после праздников.", "Asked twice for the invoice 😅.",
	"Budget: 10 000 € – 15 000 €.", "Tabs\tand \"quotes\" and \\backslashes\\ survive.", "<b>Not</b> HTML & never was.", "لا يتحدث الإنجليزية.",
}

var projects = []string{
	"Website relaunch", "Kassensystem für 12 Filialen", "Déménagement du siège", "Ολοκλήρωση ERP", "倉庫の自動化", "Fleet renewal", "Rahmenvertrag 2027",
	"Catering Sommerfest 🎉", "Migração para a nuvem", "Audit énergétique",
}

var chores = []string{
	"Send the offer", "Rappeler demain matin", "Vertrag prüfen", "見積書を送る", "Book a table 🍽️", "Позвонить бухгалтеру", "Check references",
	"Préparer la démo", "Update the contact’s address", "Ask for the purchase order",
}
