// Print events with amqp091-go.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

type event struct {
	ID, Source, Type, Subject string
}

func main() {
	connection, err := amqp.Dial(os.Getenv("EVENTS_ADDRESS"))
	require(err)
	defer connection.Close()
	channel, err := connection.Channel()
	require(err)
	// No more than these wait here without an acknowledgement. A stream insists on a prefetch.
	require(channel.Qos(100, 0, false))
	messages, err := channel.Consume(os.Getenv("EVENTS_QUEUE"), "", false, false, false, false, beginning())
	require(err)

	left, _ := strconv.Atoi(os.Getenv("COUNT"))
	known := map[[2]string]bool{} // give it a limit, or keep it in a database, where it may grow
	for message := range messages {
		var found event
		require(json.Unmarshal(message.Body, &found))
		key := [2]string{found.Source, found.ID}
		if !known[key] { // an event may come twice
			fmt.Println(found.ID, found.Type, found.Subject)
			known[key] = true
		}
		require(message.Ack(false))
		if left--; left == 0 {
			return
		}
	}
	log.Fatal("the broker closed the connection")
}

// beginning returns where to begin in a stream: first, next, or an offset.
func beginning() amqp.Table {
	offset := os.Getenv("EVENTS_OFFSET")
	if number, err := strconv.ParseInt(offset, 10, 64); err == nil {
		return amqp.Table{"x-stream-offset": number}
	}
	if offset == "" {
		return nil
	}
	return amqp.Table{"x-stream-offset": offset}
}

func require(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
