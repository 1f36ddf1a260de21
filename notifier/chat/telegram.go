package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"
)

// sendTelegram stands in for the library's sender, which returns nil when
// Telegram can't be reached or answers with something other than JSON
// (v0.13.2, SendMessage). The text is plain, whatever parsemode says.
func sendTelegram(ctx context.Context, c *telegram.Config, text string) error {
	for _, chat := range c.Chats {
		if err := postTelegram(ctx, c, chat, text); err != nil {
			return err
		}
	}
	return nil
}

func postTelegram(ctx context.Context, c *telegram.Config, chat, text string) error {
	id, thread, _ := strings.Cut(chat, ":")
	payload := telegram.SendMessagePayload{
		Text: text, ID: id, DisablePreview: !c.Preview, DisableNotification: !c.Notification,
	}
	if n, err := strconv.Atoi(thread); err == nil {
		payload.MessageThreadID = &n
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	address := "https://api.telegram.org/bot" + c.Token + "/sendMessage"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", jsonclient.ContentType)
	response, err := client(ctx).Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
