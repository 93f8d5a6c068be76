package notionapi_test

import (
	"context"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// A row is made, changed and read; against Notion itself, leave Transport out.
func Example() {
	ctx := context.Background()
	notion := emulator.New(emulator.Config{Token: "ntn_example"})
	client, err := notionapi.New(notionapi.Config{Token: "ntn_example", Transport: notion.Transport()})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	db, err := client.CreateDatabase(ctx, notionapi.NewDatabase{
		ParentPageID: notion.RootPageID(), Title: "Contacts",
		Properties: []notionapi.PropertySpec{{Name: "Name", Type: notionapi.TypeTitle}, {Name: "Phone", Type: notionapi.TypePhoneNumber}},
	})
	if err != nil {
		panic(err)
	}
	name, err := notionapi.EncodeProperty(notionapi.TypeTitle, change.TextValue("Zoë 李"), notionapi.EncodeOptions{})
	if err != nil {
		panic(err) // a *notionapi.ValueError says why Notion cannot hold it
	}
	page, err := client.CreatePage(ctx, notionapi.NewPage{
		DataSourceID: db.DataSources[0].ID, Properties: map[string]notionapi.PropertyWrite{"Name": name},
	})
	if notionapi.Unknown(err) {
		panic("look for the page before making another")
	} else if err != nil {
		panic(err)
	}
	phone, _ := page.ByName("Phone")
	fmt.Println(page.Properties["title"].Value, phone.Value.Kind())
	// Output: Zoë 李 null
}
